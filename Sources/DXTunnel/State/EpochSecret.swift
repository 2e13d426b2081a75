import DXSecure
import DXWire

/// One epoch of a group's secret: its number, and the secret from which the veil keys of that time come. Two that admins
/// made at once have one number and different secrets, so both name it.
struct EpochSecret: Sendable {
    let number: UInt64
    let secret: VeilSecret

    /// What the file is called that holds it: `epoch-<number>-<16 digits of the secret's name>.key`.
    var fileName: String { "epoch-\(number)-\(Self.digits(secret.name)).key" }

    /// What the group's record of it is about: the number and the secret's name (`docs/group.md` §3.7).
    var recordID: [UInt8] {
        TunnelMessageWriter.bytes(capacity: 8 + Bytes32.byteCount) { output in
            output.write(number)
            secret.name.write(to: &output)
        }
    }

    /// The number in such a file's name; nil when it is another name.
    static func number(inFileName name: String) -> UInt64? {
        let parts = name.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "epoch", parts[2].hasSuffix(".key"), parts[2].utf8.count == 16 + 4 else {
            return nil
        }
        return UInt64(parts[1])
    }

    private static func digits(_ name: Bytes32) -> String {
        name.bytes.prefix(8).map { byte in
            let text = String(byte, radix: 16)
            return text.utf8.count == 1 ? "0" + text : text
        }.joined()
    }
}

extension EpochSecret: Equatable {
    /// Whether they are one epoch: a secret is known by its name.
    static func == (left: EpochSecret, right: EpochSecret) -> Bool {
        left.number == right.number && left.secret.name == right.secret.name
    }
}

extension [EpochSecret] {
    /// Those that a group's document names, which are to be used. One that it does not name was left behind by a crash between the
    /// secret's file and the record of it, and nobody else has it. Who has just joined has a secret and no record of any yet.
    func named(in state: GroupState) -> [EpochSecret] {
        let ids = Set(state.epochs.map(\.recordID))
        let named = filter { ids.contains($0.recordID) }
        return named.isEmpty ? self : named
    }
}
