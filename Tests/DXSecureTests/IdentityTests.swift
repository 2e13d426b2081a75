import DXWire
import Testing

@testable import DXSecure

/// A key made by `openssl ecparam -name prime256v1 -genkey | openssl pkcs8 -topk8 -nocrypt`.
let knownKey = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg8sg3mX4WXuWfTBGb
    1MfK2UGCVK5fiFCIkmnlICYUGsShRANCAARnsPlqScTZwWHBwBL6+11oZaiX5Y8b
    3my7tIeMxOJGMb4GE7vRYpBXqW1VACoiUtG8NEWVMsn7aNIu2SuySteM
    -----END PRIVATE KEY-----

    """
/// `openssl pkey -in FILE -pubout -outform DER | sha256sum`.
let knownID = hex("43c38de93dcc43af2925c3ab7c7c151b9d865490aae1fdd4f02a984cb6dd9fc2")

@Suite struct IdentityTests {
    @Test func knownVector() throws {
        let directory = try TemporaryDirectory()
        let identity = try Identity.read(from: directory.file("key", knownKey))
        #expect(identity.gatewayID.bytes == knownID)
        #expect(
            identity.publicKey.bytes == hex("0267b0f96a49c4d9c161c1c012fafb5d6865a897e58f1bde6cbbb4878cc4e24631"))
        #expect(identity.publicKey.gatewayID == identity.gatewayID)
    }

    @Test func writesAndReadsBack() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/key"
        let identity = try Identity.generate()
        try identity.write(to: path)
        #expect(TemporaryDirectory.mode(path) == 0o600)
        #expect(directory.names == ["key"])
        #expect(try Identity.read(from: path).gatewayID == identity.gatewayID)
        #expect(try Identity.generate().gatewayID != identity.gatewayID)
    }

    @Test func writesPKCS8() throws {
        let directory = try TemporaryDirectory()
        let identity = try Identity.read(from: directory.file("key", knownKey))
        try identity.write(to: directory.path + "/copy")
        let content = try KeyFile.read(directory.path + "/copy")
        #expect(content.withBytes { String(decoding: ByteReader($0).allBytes, as: UTF8.self) } == knownKey)
    }

    @Test func readsTheOlderForm() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file(
            "key",
            """
            -----BEGIN EC PRIVATE KEY-----
            MHcCAQEEIPLIN5l+Fl7ln0wRm9THytlBglSuX4hQiJJp5SAmFBrEoAoGCCqGSM49
            AwEHoUQDQgAEZ7D5aknE2cFhwcAS+vtdaGWol+WPG95su7SHjMTiRjG+BhO70WKQ
            V6ltVQAqIlLRvDRFlTLJ+2jSLtkrskrXjA==
            -----END EC PRIVATE KEY-----
            """)
        #expect(try Identity.read(from: path).gatewayID.bytes == knownID)
    }

    @Test(arguments: [
        "", "dxveil1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n",
        String(knownKey.dropLast(60)),
        // P-384.
        """
        -----BEGIN PRIVATE KEY-----
        MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDBifo4EOam5P2EN5x16
        TweyarnNC14GNhOol3Rkg6YnP4Keer65cSGbEZnbaOLukA6hZANiAASyIZToSRNT
        gKm7t8yUakWfJmN0ESbpQQMz/tb33w1ausovLo2/c3mUOg8NuJXQln3C42nqc9vB
        /gL+F9yP/rv3LD+bFnX9mtJk6S/buFwVIlF2oStbKtmlu4UMYhvzUxM=
        -----END PRIVATE KEY-----
        """,
        // P-256 under a passphrase: refused without asking for it.
        """
        -----BEGIN ENCRYPTED PRIVATE KEY-----
        MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAiHlDl20CV4sAICCAAw
        DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEECj31U1HiScnmqLEeiUajFAEgZAV
        xg9pxutxBWjEkIAKAmFOiWOBcxr0vLmIUDpCFTylPeinj03w0vh0QMs1sZuR2ixs
        VhyM2Fha/IokZNaH8/zotwU5gmiQkhfghzOeaY8xonACOOJ9ZZsNXdHk+eT22Whl
        6pxaznvHo4SveaZeSsfvuvFsiJ7G7QYymTZ6GY53lVr2F9Gb2R7WUFciyrpRy5Q=
        -----END ENCRYPTED PRIVATE KEY-----
        """,
    ])
    func refusesOtherContent(content: String) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("key", content)
        #expect(throws: KeyFileError(path: path, reason: .notAnIdentity)) { try Identity.read(from: path) }
    }

    @Test func signatures() throws {
        let identity = try Identity.generate()
        let message = Array("message".utf8)
        let signature = try unsafe identity.sign(message.span.bytes)
        #expect(unsafe identity.publicKey.isValid(signature, for: message.span.bytes))
        for index in 0..<Signature.byteCount {
            var bytes = signature.bytes
            bytes[index] ^= 0x10
            let flipped = unsafe Signature(bytes.span.bytes)
            #expect(unsafe !identity.publicKey.isValid(flipped, for: message.span.bytes))
        }
        let other = Array("messagf".utf8)
        #expect(unsafe !identity.publicKey.isValid(signature, for: other.span.bytes))
        #expect(unsafe try !Identity.generate().publicKey.isValid(signature, for: message.span.bytes))
        for filler: UInt8 in [0, 255] {
            let nonsense = [UInt8](repeating: filler, count: 64)
            #expect(unsafe !identity.publicKey.isValid(Signature(nonsense.span.bytes), for: message.span.bytes))
        }
    }
}

extension ByteReader {
    var allBytes: [UInt8] { unsafe bytes.withUnsafeBytes { unsafe Array($0) } }
}
