/// Reads elements and text of a small XML document, one after the other: what a router's description and its SOAP answers are
/// made of, and no more.
///
/// Strict and bounded: no document type and so no entities but the five of XML and numbers; elements must be closed in order, at most
/// `mostElements` of them, `deepest` inside one another; names and texts are short. Attributes, comments and processing instructions are
/// skipped, prefixes of names are dropped. Total: any bytes give events or an error; after an error it is of no more use.
struct XMLScanner {
    /// What stands next in a document.
    enum Event: Equatable {
        /// An element begins; its name without prefix.
        case start(String)
        /// The innermost element ends.
        case end(String)
        /// Text that is not only white space, between two tags; trimmed.
        case text(String)
    }

    /// Why a document is not read. All mean the same to whoever asks: it is no document of a router's.
    enum Problem: Error, Equatable {
        /// It is not well-formed.
        case malformed
        /// It has something that the two kinds of document never have, such as a document type.
        case refused
        /// It exceeds a limit.
        case tooLarge
    }

    /// Bytes of a document: what an HTTP answer may have.
    static let mostBytes = PortMappingConstants.maximumAnswer
    /// Elements inside one another; a description has 7.
    static let deepest = 24
    /// Elements; a description has 100 to 300.
    static let mostElements = 4_096
    /// Bytes of a name with its prefix.
    static let longestName = 96
    /// Bytes of a text.
    static let longestText = 2_048

    private static let commentStart = Array("<!--".utf8)
    private static let commentEnd = Array("-->".utf8)
    private static let instructionStart = Array("<?".utf8)
    private static let instructionEnd = Array("?>".utf8)
    private static let dataStart = Array("<![CDATA[".utf8)
    private static let dataEnd = Array("]]>".utf8)
    private static let declarationStart = Array("<!".utf8)
    private static let endStart = Array("</".utf8)

    private let bytes: [UInt8]
    private var place = 0
    private var open: [String] = []
    private var elementCount = 0
    /// The end of an element that began and ended in one tag.
    private var pendingEnd: String?

    /// A scanner at the beginning of a document.
    init(_ bytes: [UInt8]) throws(Problem) {
        guard bytes.count <= Self.mostBytes else { throw .tooLarge }
        self.bytes = bytes
        // A mark of UTF-8. Other encodings fail at the first byte.
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { place = 3 }
    }

    /// What stands next; nil at the end of a document whose elements are all closed.
    mutating func next() throws(Problem) -> Event? {
        if let name = pendingEnd {
            pendingEnd = nil
            return .end(name)
        }
        var text: [UInt8] = []
        while place < bytes.count {
            if bytes[place] != UInt8(ascii: "<") {
                try readText(into: &text)
            } else if starts(with: Self.commentStart) {
                try skip(through: Self.commentEnd, from: place + 4)
            } else if starts(with: Self.instructionStart) {
                try skip(through: Self.instructionEnd, from: place + 2)
            } else if starts(with: Self.dataStart) {
                try readCharacterData(into: &text)
            } else if starts(with: Self.declarationStart) {
                throw .refused
            } else if let said = Self.trimmed(text) {
                return .text(said)
            } else {
                return starts(with: Self.endStart) ? try readEnd() : try readStart()
            }
        }
        guard open.isEmpty, elementCount > 0, Self.trimmed(text) == nil else { throw .malformed }
        return nil
    }

    // MARK: Tags

    private mutating func readStart() throws(Problem) -> Event {
        place += 1
        let name = try readName()
        // One root.
        guard !open.isEmpty || elementCount == 0 else { throw .malformed }
        elementCount += 1
        guard open.count < Self.deepest, elementCount <= Self.mostElements else { throw .tooLarge }
        if try skipAttributes() {
            pendingEnd = Self.withoutPrefix(name)
        } else {
            open.append(name)
        }
        return .start(Self.withoutPrefix(name))
    }

    private mutating func readEnd() throws(Problem) -> Event {
        place += 2
        let name = try readName()
        skipSpace()
        guard take(">"), open.popLast() == name else { throw .malformed }
        return .end(Self.withoutPrefix(name))
    }

    /// Skips to behind the tag.
    /// - Returns: whether the element ends with it.
    private mutating func skipAttributes() throws(Problem) -> Bool {
        while place < bytes.count {
            skipSpace()
            if take(">") { return false }
            if take("/") {
                guard take(">") else { throw .malformed }
                return true
            }
            _ = try readName()
            skipSpace()
            guard take("=") else { throw .malformed }
            skipSpace()
            guard place < bytes.count, bytes[place] == UInt8(ascii: "\"") || bytes[place] == UInt8(ascii: "'") else {
                throw .malformed
            }
            let quote = bytes[place]
            guard let end = bytes[(place + 1)...].firstIndex(of: quote),
                !bytes[place..<end].contains(UInt8(ascii: "<"))
            else { throw .malformed }
            place = end + 1
        }
        throw .malformed
    }

    private mutating func readName() throws(Problem) -> String {
        let start = place
        while place < bytes.count, Self.isOfName(bytes[place]) { place += 1 }
        guard place - start <= Self.longestName else { throw .tooLarge }
        guard place > start, !(0x2d...0x39).contains(bytes[start]) else { throw .malformed }
        return String(decoding: bytes[start..<place], as: UTF8.self)
    }

    // MARK: Text

    private mutating func readText(into text: inout [UInt8]) throws(Problem) {
        let byte = bytes[place]
        if byte == UInt8(ascii: "&") {
            try readEntity(into: &text)
        } else {
            place += 1
            text.append(byte)
        }
        guard text.count <= Self.longestText else { throw .tooLarge }
    }

    private mutating func readCharacterData(into text: inout [UInt8]) throws(Problem) {
        let start = place + 9
        try skip(through: Self.dataEnd, from: start)
        guard text.count + (place - 3 - start) <= Self.longestText else { throw .tooLarge }
        text += bytes[start..<(place - 3)]
    }

    private mutating func readEntity(into text: inout [UInt8]) throws(Problem) {
        // The longest is &#x10FFFF; and leading zeros are nobody's habit.
        guard let end = bytes[place...].prefix(12).firstIndex(of: UInt8(ascii: ";")) else { throw .malformed }
        let name = String(decoding: bytes[(place + 1)..<end], as: UTF8.self)
        place = end + 1
        switch name {
        case "amp": text.append(UInt8(ascii: "&"))
        case "lt": text.append(UInt8(ascii: "<"))
        case "gt": text.append(UInt8(ascii: ">"))
        case "quot": text.append(UInt8(ascii: "\""))
        case "apos": text.append(UInt8(ascii: "'"))
        default:
            let number =
                name.hasPrefix("#x")
                ? UInt32(name.dropFirst(2), radix: 16)
                : name.hasPrefix("#") ? UInt32(name.dropFirst()) : nil
            guard let number, number > 0, let scalar = Unicode.Scalar(number) else { throw .refused }
            text += Array(String(Character(scalar)).utf8)
        }
    }

    private static func trimmed(_ text: [UInt8]) -> String? {
        guard let first = text.firstIndex(where: { !isSpace($0) }), let last = text.lastIndex(where: { !isSpace($0) })
        else { return nil }
        return String(decoding: text[first...last], as: UTF8.self)
    }

    // MARK: Bytes

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }

    /// Letters, digits, `_`, `-`, `.`, `:`, and all of other alphabets: names of routers are ASCII, but no matter.
    private static func isOfName(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x5f, 0x2d, 0x2e, 0x3a, 0x80...0xff: true
        default: false
        }
    }

    private static func withoutPrefix(_ name: String) -> String {
        name.lastIndex(of: ":").map { String(name[name.index(after: $0)...]) } ?? name
    }

    private func starts(with text: [UInt8]) -> Bool { bytes[place...].starts(with: text) }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard place < bytes.count, bytes[place] == UInt8(ascii: character) else { return false }
        place += 1
        return true
    }

    private mutating func skipSpace() {
        while place < bytes.count, Self.isSpace(bytes[place]) { place += 1 }
    }

    /// Moves behind the next `end`.
    private mutating func skip(through end: [UInt8], from start: Int) throws(Problem) {
        var at = start
        while at < bytes.count {
            if bytes[at...].starts(with: end) {
                place = at + end.count
                return
            }
            at += 1
        }
        throw .malformed
    }
}
