import Glibc
import Testing

@testable import DXSocket

@Suite struct SendErrorPolicyTests {
    @Test func everyErrnoHasAnAction() {
        for code in Int32(1)...200 {
            let single = SendErrorPolicy.action(for: code, segmentCount: 1)
            let run = SendErrorPolicy.action(for: code, segmentCount: 2)
            switch code {
            case EAGAIN, ENOBUFS, ENOMEM:
                #expect(single == .wait && run == .wait)
            case EIO, EINVAL, EMSGSIZE:
                #expect(single == .drop && run == .split)
            default:
                #expect(single == .drop && run == .drop)
            }
        }
    }

    @Test func onlyRefusalsOfTheRunItselfBlameSegmentation() {
        #expect((1...200).filter(SendErrorPolicy.blamesSegmentation) == [EIO, EINVAL])
    }

    @Test func reasonsAreWhatAPathCanActOn() {
        #expect(SendErrorPolicy.reason(for: EMSGSIZE, sourceWasPinned: true) == .tooLarge)
        #expect(SendErrorPolicy.reason(for: ENETUNREACH, sourceWasPinned: false) == .unreachable)
        #expect(SendErrorPolicy.reason(for: EPERM, sourceWasPinned: false) == .notPermitted)
        #expect(SendErrorPolicy.reason(for: EINVAL, sourceWasPinned: true) == .badSource)
        #expect(SendErrorPolicy.reason(for: EINVAL, sourceWasPinned: false) == .badDestination)
        #expect(SendErrorPolicy.reason(for: EBADF, sourceWasPinned: false) == .other)
    }
}
