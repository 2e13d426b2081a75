import DXMatch
import DXSecure
import DXWire

/// Where datagrams are lost while something is rehearsed.
extension GatewayCore {
    /// Cuts a peer or a path off.
    func begin(_ blackout: Blackout) {
        let all = sessions
        self.blackout = blackout
        for session in all where blackout.hides(session) { registerIDs(of: session) }
        // Handshakes are the secure endpoint's, whatever address they come from.
        if blackout.isOfWholePeer { secure.silencedPeer = blackout.peer }
    }

    /// All is as it was.
    func endBlackout() {
        guard let old = blackout else { return }
        blackout = nil
        secure.silencedPeer = nil
        for session in old.sessions { registerIDs(of: session) }
    }

    /// What a channel's datagrams are held against; nil when nothing of its peer's is cut.
    func blackout(of channel: PeerChannel) -> Blackout? {
        guard let blackout, blackout.peer == channel.peer.id else { return nil }
        return blackout
    }

    /// Whether a check of a peer that is cut off never came.
    func swallows(_ check: VeiledCheck) -> Bool {
        guard let blackout, blackout.isOfWholePeer else { return false }
        let message = unsafe check.message.span.bytes
        guard case .check(_, let sender) = try? CheckCodec.decode(message), sender == blackout.peer else {
            return false
        }
        blackout.noteDroppedIn()
        return true
    }
}
