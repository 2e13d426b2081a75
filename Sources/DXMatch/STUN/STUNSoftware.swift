public import DXWire

/// What a matchmaker says of itself in SOFTWARE (`docs/matchmaking.md` §5, RFC 8489 §14.14): its pin, for whoever has configured
/// another one and hears nothing, as the veil comes from the pin.
///
/// Nobody proves it, and who is on the way may change it: it is for a message that has somebody compare, and trusted for nothing.
public enum STUNSoftware {
    private static let head = "dxmatchd pin="

    /// How long it is, in bytes.
    public static let byteCount = head.utf8.count + GatewayID.textCount

    /// The text of a matchmaker with this pin.
    public static func text(pin: GatewayID) -> String { head + pin.text }

    /// The pin that a text names; nil for any other program's.
    public static func pin(in software: RawSpan) -> GatewayID? {
        guard software.byteCount == byteCount else { return nil }
        let text = String(decoding: unsafe software.withUnsafeBytes { unsafe Array($0) }, as: UTF8.self)
        guard text.hasPrefix(head) else { return nil }
        return GatewayID(text: String(text.dropFirst(head.count)))
    }
}
