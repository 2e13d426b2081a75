internal import DXWire
import Glibc

/// What a send errno means: pure, so that every errno can be tested.
enum SendErrorPolicy {
    /// What to do about the message that the kernel refused.
    enum Action: Hashable {
        /// The kernel has no room: keep the message and everything behind it, try again later.
        case wait
        /// Send the datagrams of the run one by one: the errno may be about the run, not about its datagrams.
        case split
        /// Drop the message and go on with the next.
        case drop
    }

    /// The action for a message of `segmentCount` datagrams refused with `code`.
    static func action(for code: Int32, segmentCount: Int) -> Action {
        switch code {
        case EAGAIN, ENOBUFS, ENOMEM: .wait
        // EIO: the device can not compute the checksums of segments, or the route goes through IPsec. EINVAL: more
        // segments than this kernel takes, or (before 6.9) segments above the MTU; also port 0, which splitting shows.
        // EMSGSIZE: the segments are above the MTU, but a shorter last one may not be.
        case EIO, EINVAL, EMSGSIZE: segmentCount > 1 ? .split : .drop
        default: .drop
        }
    }

    /// Whether a lack of room may have to do with the message and not with the socket: then waiting for it has an end.
    static func mayBeAboutTheMessage(_ code: Int32) -> Bool { code != EAGAIN }

    /// Whether a run that was refused with `code`, and of which a datagram alone was then accepted, shows that GSO does
    /// not work here. EMSGSIZE does not: it is about sizes.
    static func blamesSegmentation(_ code: Int32) -> Bool { code == EIO || code == EINVAL }

    /// What the errno says about a path.
    static func reason(for code: Int32, sourceWasPinned: Bool) -> SendRefusal.Reason {
        switch code {
        case EMSGSIZE: .tooLarge
        case ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN: .unreachable
        case EACCES, EPERM: .notPermitted
        case EADDRNOTAVAIL, ENODEV: .badSource
        case EINVAL, EAFNOSUPPORT: sourceWasPinned ? .badSource : .badDestination
        default: .other
        }
    }
}
