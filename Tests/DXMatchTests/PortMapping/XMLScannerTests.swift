import DXWire
import Testing

@testable import DXMatch

/// The scanner of routers' documents: what it reads, what it refuses, and that no bytes do harm.
@Suite struct XMLScannerTests {
    static func events(_ text: String) throws(XMLScanner.Problem) -> [XMLScanner.Event] { try events(Array(text.utf8)) }

    static func events(_ bytes: [UInt8]) throws(XMLScanner.Problem) -> [XMLScanner.Event] {
        var scanner = try XMLScanner(bytes)
        var events: [XMLScanner.Event] = []
        while let event = try scanner.next() { events.append(event) }
        return events
    }

    @Test func elementsTextAndEnds() throws {
        let text = """
            <?xml version="1.0"?>
            <!-- a <router> -->
            <root xmlns="urn:x" a = 'b"c'>
              <u:name>  Fritz &amp; Fox &#65;&#x42; <![CDATA[<raw>]]> </u:name><empty x="1"/><none></none>
            </root>
            """
        let events = try Self.events(text)
        #expect(
            events == [
                .start("root"), .start("name"), .text("Fritz & Fox AB <raw>"), .end("name"), .start("empty"),
                .end("empty"), .start("none"), .end("none"), .end("root"),
            ])
    }

    @Test(arguments: [
        "", "   ", "text", "<a>", "<a></b>", "</a>", "<a></a></a>", "<a/><b/>", "<a></a>text", "<a", "<a b></a>",
        "<a b=c></a>", "<a b=\"c></a>", "<a b=\"<\"></a>", "<1/>", "<a>&amp</a>", "<a>&</a>", "<a / ></a>",
        "<a><!-- </a>", "<a><![CDATA[ </a>", "<? <a/>", "< a/>", "<a x=\"1\"",
    ])
    func whatIsNotWellFormed(text: String) {
        #expect(throws: XMLScanner.Problem.malformed) { try Self.events(text) }
    }

    /// A document type is where entities that grow without bounds come from.
    @Test(arguments: [
        "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "<a>&b;</a>", "<a>&#0;</a>", "<a>&#xd800;</a>",
        "<a>&#x110000;</a>",
        "<!ELEMENT a>",
    ])
    func whatIsRefused(text: String) {
        #expect(throws: XMLScanner.Problem.refused) { try Self.events(text) }
    }

    @Test func whatIsTooLarge() {
        let deep = String(repeating: "<a>", count: XMLScanner.deepest + 1)
        let many = "<a>" + String(repeating: "<b/>", count: XMLScanner.mostElements) + "</a>"
        let name = "<" + String(repeating: "n", count: XMLScanner.longestName + 1) + "/>"
        let text = "<a>" + String(repeating: "t", count: XMLScanner.longestText + 1) + "</a>"
        let data = "<a><![CDATA[" + String(repeating: "t", count: XMLScanner.longestText + 1) + "]]></a>"
        let size = "<a>" + String(repeating: " ", count: XMLScanner.mostBytes) + "</a>"
        for document in [deep, many, name, text, data, size] {
            #expect(throws: XMLScanner.Problem.tooLarge) { try Self.events(document) }
        }
    }

    @Test(arguments: 1...20) func randomBytesAndChangedDocumentsDoNoHarm(seed: Int) {
        var random = RandomSource(seed: UInt64(seed))
        let document = Array(IGDTests.description(IGDTests.services).utf8)
        let alphabet = Array("<>/=\"'&;!?-[]CDATA# \nax:".utf8)
        let location = HTTPLocation("http://192.168.1.1:5000/rootDesc.xml")!
        var readable = 0
        for _ in 0..<300 {
            var bytes: [UInt8]
            switch random.below(3) {
            case 0: bytes = (0..<random.below(400)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            case 1: bytes = (0..<random.below(400)).map { _ in alphabet[Int(random.below(UInt64(alphabet.count)))] }
            default:
                bytes = document
                for _ in 0...random.below(4) {
                    bytes[Int(random.below(UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
                }
                if random.chance(0.3) { bytes.removeLast(Int(random.below(UInt64(bytes.count)))) }
            }
            // Whoever reads less than an event for each byte ends.
            if let events = try? Self.events(bytes) {
                readable += 1
                #expect(events.count <= bytes.count)
            }
            if let found = try? IGDDescription(reading: bytes, from: location) {
                #expect(found.services.count <= IGDDescription.mostServices)
                #expect(found.services.allSatisfy { $0.control.endpoint.hasSameAddress(as: location.endpoint) })
            }
            _ = try? IGDAction.externalAddress.answer(reading: bytes)
        }
        // Changed letters of a text leave it readable.
        #expect(readable > 0)
    }
}
