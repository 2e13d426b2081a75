import DXWire

extension STUNMessage {
    /// The size of an address attribute for that address, in bytes.
    static func attributeByteCount(_ address: Endpoint) -> Int { 4 + 4 + (address.family == .v4 ? 4 : 16) }
    /// The size of a FINGERPRINT, in bytes.
    static let fingerprintByteCount = 8

    /// The size of the message with SOFTWARE of `softwareByteCount` bytes, none for 0.
    public func byteCount(softwareByteCount: Int = 0) -> Int {
        var count = Self.headByteCount
        for address in [xorMappedAddress, mappedAddress, responseOrigin, otherAddress] {
            if let address { count += Self.attributeByteCount(address) }
        }
        if changeRequest != nil { count += 8 }
        // The reason is left out: it is for people, and nobody reads it.
        if errorCode != nil { count += 8 }
        if kind == .failure && unknownAttributes.count > 0 { count += 4 + (unknownAttributes.count * 2 + 3) & ~3 }
        if softwareByteCount > 0 { count += 4 + (softwareByteCount + 3) & ~3 }
        return hasFingerprint ? count + Self.fingerprintByteCount : count
    }

    /// Appends the whole message: `byteCount` bytes. `software` is put in when it is not empty; `unknownAttributes` only in a
    /// failure, where they are an attribute.
    @_lifetime(output: copy output)
    public func write(software: RawSpan = RawSpan(), to output: inout OutputRawSpan) {
        let start = output.byteCount
        output.write(kind.rawValue)
        output.write(UInt16(byteCount(softwareByteCount: software.byteCount) - Self.headByteCount))
        output.write(Self.magicCookie)
        transaction.write(to: &output)
        writeAddresses(to: &output)
        if let changeRequest {
            Self.writeHead(STUNAttribute.changeRequest, 4, to: &output)
            output.write(changeRequest.rawValue)
        }
        if let errorCode {
            Self.writeHead(STUNAttribute.errorCode, 4, to: &output)
            output.write(UInt32(errorCode / 100) &<< 8 | UInt32(errorCode % 100))
        }
        if kind == .failure && unknownAttributes.count > 0 {
            Self.writeHead(STUNAttribute.unknownAttributes, unknownAttributes.count * 2, to: &output)
            for index in 0..<unknownAttributes.count { output.write(unknownAttributes[index]) }
            output.writeZeros(unknownAttributes.count % 2 * 2)
        }
        if software.byteCount > 0 {
            Self.writeHead(STUNAttribute.software, software.byteCount, to: &output)
            output.write(software)
            output.writeZeros((4 - software.byteCount & 3) & 3)
        }
        guard hasFingerprint else { return }
        let fingerprint = STUNFingerprint.of(output.bytes.extracting(start...))
        Self.writeHead(STUNAttribute.fingerprint, 4, to: &output)
        output.write(fingerprint)
    }

    @_lifetime(output: copy output)
    private func writeAddresses(to output: inout OutputRawSpan) {
        if let xorMappedAddress {
            Self.write(STUNAttribute.xorMappedAddress, xorMappedAddress, mask: transaction, to: &output)
        }
        if let mappedAddress { Self.write(STUNAttribute.mappedAddress, mappedAddress, mask: nil, to: &output) }
        if let responseOrigin { Self.write(STUNAttribute.responseOrigin, responseOrigin, mask: nil, to: &output) }
        if let otherAddress { Self.write(STUNAttribute.otherAddress, otherAddress, mask: nil, to: &output) }
    }

    @_lifetime(output: copy output)
    private static func writeHead(_ type: UInt16, _ length: Int, to output: inout OutputRawSpan) {
        output.write(type)
        output.write(UInt16(truncatingIfNeeded: length))
    }

    @_lifetime(output: copy output)
    private static func write(
        _ type: UInt16, _ endpoint: Endpoint, mask: TransactionID?, to output: inout OutputRawSpan
    ) {
        writeHead(type, attributeByteCount(endpoint) - 4, to: &output)
        output.write(0 as UInt8)
        output.write(endpoint.family == .v4 ? 1 as UInt8 : 2)
        output.write(endpoint.port ^ (mask == nil ? 0 : UInt16(magicCookie &>> 16)))
        switch endpoint.family {
        case .v4: output.write(UInt32(truncatingIfNeeded: endpoint.low) ^ (mask == nil ? 0 : magicCookie))
        case .v6:
            let (high, low) = mask.map(addressMask) ?? (0, 0)
            output.write(endpoint.high ^ high)
            output.write(endpoint.low ^ low)
        }
    }
}
