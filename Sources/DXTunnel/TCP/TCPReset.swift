import Glibc
import NIOCore
import NIOPosix

/// Ends a TCP connection with RST instead of FIN: what a client must see when a connection failed, or it would take what
/// it got for all there was.
enum TCPReset {
    /// Closes at once; what was not sent is thrown away.
    static func close(_ channel: any Channel) {
        if let provider = channel as? any SocketOptionProvider {
            // Zero linger time makes close() reset the connection (socket(7), RFC 9293 §3.6).
            let setting = provider.setSoLinger(linger(l_onoff: 1, l_linger: 0))
            setting.whenComplete { _ in channel.close(promise: nil) }
            return
        }
        channel.close(promise: nil)
    }
}
