import Testing

@testable import dxgateway

/// A QR code as another implementation (the Python package `qrcode`) draws it, with the penalty that a third one finds
/// (`segno`).
struct QRVector: Sendable, CustomTestStringConvertible {
    let text: String
    let version: Int
    let level: QRLevel
    let mask: Int
    /// The penalty of the whole code, with its format information.
    let penalty: Int
    /// The modules as bits, dark is 1; each row is filled with zeros to whole hex digits.
    let rows: String

    var testDescription: String { "\(text.count) characters, mask \(mask)" }
}

/// QR codes have to be those that every reader knows.
@Suite struct QRCodeTests {
    @Test(arguments: Self.vectors) func isWhatAnotherImplementationDraws(_ vector: QRVector) throws {
        let code = try #require(QRCode(vector.text))
        #expect(code.version.number == vector.version)
        #expect(code.level == vector.level)
        #expect(code.mask == vector.mask)
        #expect(code.size == 4 * vector.version + 17)
        #expect(Self.hex(code) == vector.rows)
    }

    @Test(arguments: Self.vectors) func hasThePenaltyThatAnotherImplementationFinds(_ vector: QRVector) throws {
        let code = try #require(QRCode(vector.text))
        let range = 0..<code.size
        #expect(QRPenalty(range.map { y in range.map { x in code[x, y] } }).points == vector.penalty)
    }

    @Test func hasPenaltiesOfEachKind() {
        // 20 lines of 8 points, 81 squares of 3, and ten times 5 % from one half; nothing like a finder pattern.
        let dark = [[Bool]](repeating: [Bool](repeating: true, count: 10), count: 10)
        #expect(QRPenalty(dark).points == 160 + 243 + 100)
    }

    @Test func vectorsHaveEveryMaskAndBothLevels() {
        #expect(Set(Self.vectors.map(\.mask)) == Set(0..<8))
        #expect(Set(Self.vectors.map(\.level)) == [.low, .medium])
    }

    @Test func holdsATokenOfEveryLength() throws {
        for length in stride(from: 0, through: 300, by: 20) {
            let code = try #require(QRCode(String(repeating: "x", count: length)))
            // With the quiet zone: no wider than a terminal of 80 columns.
            #expect(code.size + 2 * QRCode.quietZone <= 69)
        }
    }

    @Test func refusesWhatDoesNotFit() throws {
        let longest = try #require(QRCode(String(repeating: "x", count: 2_953)))
        #expect(longest.size == 177)
        #expect(QRCode(String(repeating: "x", count: 2_954)) == nil)
        // Bytes count, not characters.
        #expect(QRCode(String(repeating: "\u{E4}", count: 1_477)) == nil)
    }

    @Test func isLightAllAround() throws {
        let code = try #require(QRCode("x"))
        for position in -4..<25 {
            for (x, y) in [(position, -1), (position, 21), (-1, position), (21, position)] { #expect(!code[x, y]) }
        }
        #expect(code[0, 0] && code[20, 0] && code[0, 20])
    }

    @Test(arguments: ["x", "dxjoin1:ASEC_Nia9lbKE5Z7KXP5CXccW4dsRQYAISf0Vpt64tif0a8CEAABAgMEBQYHCAkKCwwNDg8D"])
    func showsTwoRowsOfModulesOnALine(_ text: String) throws {
        let code = try #require(QRCode(text))
        let lines = code.terminalText.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == (code.size + 9) / 2)
        for (index, line) in lines.enumerated() {
            #expect(line.hasPrefix("\u{1B}[30;47m") && line.hasSuffix("\u{1B}[0m"))
            let blocks = line.dropFirst(8).dropLast(4)
            #expect(blocks.count == code.size + 8)
            for (column, block) in blocks.enumerated() {
                let (x, y) = (column - 4, 2 * index - 4)
                #expect("\u{2580}\u{2588}".contains(block) == code[x, y])
                #expect("\u{2584}\u{2588}".contains(block) == code[x, y + 1])
            }
        }
    }

    /// The modules of a code as a vector has them.
    private static func hex(_ code: QRCode) -> String {
        let starts = stride(from: 0, to: code.size, by: 4)
        return (0..<code.size).map { y in
            starts.map { x in
                let digit = (x..<x + 4).reduce(0) { $0 << 1 | (code[$1, y] ? 1 : 0) }
                return String(digit, radix: 16)
            }.joined()
        }.joined()
    }
}

/// The sizes and numbers of ISO/IEC 18004.
@Suite struct QRVersionTests {
    @Test func isTheSmallestThatHoldsTheBytes() {
        // Table 7, level L in bytes mode: the most bytes of a version.
        let most = [
            1: 17, 2: 32, 6: 134, 7: 154, 9: 230, 10: 271, 11: 321, 20: 858, 26: 1_367, 27: 1_465, 32: 1_952, 39: 2_809,
            40: 2_953,
        ]
        for (number, bytes) in most {
            #expect(QRVersion(holding: bytes)?.number == number)
            #expect(QRVersion(holding: bytes + 1)?.number == (number < 40 ? number + 1 : nil))
        }
    }

    @Test func takesTheBetterLevelWhereItFits() {
        // Table 7, level M in bytes mode.
        for (bytes, level) in [(14, QRLevel.medium), (15, .low), (17, .low), (18, .medium), (26, .medium), (27, .low)] {
            #expect(QRCode(String(repeating: "x", count: bytes))?.level == level)
        }
    }

    @Test func hasAlignmentPatternsWhereTheTableSays() {
        // Table E.1.
        #expect(QRVersion(holding: 17)?.alignmentPositions == [])
        #expect(QRVersion(holding: 32)?.alignmentPositions == [6, 18])
        #expect(QRVersion(holding: 321)?.alignmentPositions == [6, 30, 54])
        #expect(QRVersion(holding: 520)?.alignmentPositions == [6, 26, 48, 70])
        #expect(QRVersion(holding: 1_952)?.alignmentPositions == [6, 34, 60, 86, 112, 138])
        #expect(QRVersion(holding: 2_953)?.alignmentPositions == [6, 30, 58, 86, 114, 142, 170])
    }
}

@Suite struct ReedSolomonTests {
    /// The example of ISO/IEC 18004:2015 Annex I: "01234567" in version 1-M.
    @Test func givesTheCodewordsOfTheStandard() {
        let data: [UInt8] = [16, 32, 12, 86, 97, 128, 236, 17, 236, 17, 236, 17, 236, 17, 236, 17]
        let expected: [UInt8] = [165, 36, 212, 193, 237, 54, 199, 135, 44, 85]
        #expect(ReedSolomon(count: 10).codewords(for: data) == expected)
    }

    @Test func multipliesInItsField() {
        #expect(ReedSolomon.product(0x80, 2) == 0x1D)
        #expect(ReedSolomon.product(0, 0xFF) == 0)
        #expect(ReedSolomon.product(1, 0xFF) == 0xFF)
        // 2 is a generator: its powers are all 255 elements but zero.
        var power: UInt8 = 1
        var powers: Set<UInt8> = []
        for _ in 0..<255 {
            powers.insert(power)
            power = ReedSolomon.product(power, 2)
        }
        #expect(powers.count == 255 && power == 1)
    }
}

extension QRCodeTests {
    /// One character, and tokens of 60, 200, 250 and 300, of which that of 250 has blocks of different length; then
    /// shorter ones, for the masks that are not among these.
    static let vectors: [QRVector] = [
        QRVector(
            text: "a",
            version: 1, level: .medium, mask: 5, penalty: 1028,
            rows: """
                fe5bf882b208bad2e8bab2e8ba4ae8823208feabf800c00082b670981dc82e6b00559f50d3dff800c828fe74f0822238ba74\
                e0ba5f40ba5dd8823f40fea930
                """),
        QRVector(
            text: "dxjoin1:riGp_58WAm-dX3a5IDnOdcdbWB2dC4_DSDC6Lc1mxLpQ2yMK_Ye9",
            version: 4, level: .medium, mask: 7, penalty: 1462,
            rows: """
                fe3f1dbf8820f85a08ba4c622e8ba272a2e8ba7e082e8829bd6208feaaaabf80073e480096a78f500dc9c9fb70fa06bc9282\
                c64b6140126b0679865c2c80d8ab9a632d04cd3f4650de387a3c8517be7928f24e82618b8846c808fbedddd402d92cd958d3\
                189ef8871a936d588bad98f9000fa138a8fe20a9a908281fe890ba168ef88ba9ff73c0ba502a1a8823a65080fefbd4e70
                """),
        QRVector(
            text: """
                dxjoin1:hlkUvNGBeu3YV4IedU7OW2vwEDdwPwrUx51UTU5uZ7F-J_T67S6-CPvI9NM0NA-UjRbynhgIDnrIFAh2ehUUwFdkoidf\
                cVGquxaXfFteaSoKR-dN5fHZt8ClOnd5qY-PsRHH1crhGequvm6DeFD4jGkDUG2JateX0uolEnmcxDnBd76NWBA32cg1xm9UcpUL
                """,
            version: 9, level: .low, mask: 4, penalty: 2505,
            rows: """
                feaff9f783a3f8829acbd5e33208bac222507dd2e8bab58b3520aae8ba7909ffc2a2e88286c689652208feaaaaaaaaabf800\
                6cef89200800ce3759f8ff7178e4a220fe5a6c08d604ea3c66f6a83c819c43b46980626af4c09a3b9841ad08ee432d40338f\
                c0ec502cc810f3144e2d0358ca082e56b93fd0a4cff97a9a6c28926516bbc68648a0f4424cad5350f2437500cd69c8442d0a\
                b6d2e8888b58afefa0f8a8cd05f20e8986885fe758ffcd6f98e8ea248f5b28a86a888cad64aaa868bdff88d448d83fa2f8fa\
                9f5fe8b80b0f1b1f63e816a7d9bb86aa58e04315cbc59c1006602ea9bb5c0071bff8464bfdd822d1579426ca8844fe2558e4\
                4958a353e5349f15b0b90d6a02cb7dd0cb68b7fb03faa8b1b4f32b0229c0864f59beff50c87dba24525ef5c8df728bbb269b\
                2861edfa88326bd81213ecf8dd3f88008b2b8fd368c0fe5ed0add8da8882a7958da408c0baf22efb9b5fd8ba6df9af1eb420\
                ba6714a517a200829c27aa9d1718fee3edf0f95710
                """),
        QRVector(
            text: """
                dxjoin1:XZuifEvV0H27Nuw2y8JB26EX8RByP6QTBFgmf8XE-8NxIyeVpFiptHqpRclydTNJf6wrXxXHrftU0ejgKbDVIjdHZ3hJ\
                0c83SG3b8k8txSo8VLz9WosCaiE3UkG3RkBhNPZMwhbTtPeo0yIQfRDM4AeDXccmaAVoIWRyFy8G2c9DTFlkU8A4kJWad_NeFuyh\
                OxgpodH6BqvR9c46T6K9yio374o4XeReDpc0f2ExWQo8tjC6c_
                """,
            version: 10, level: .low, mask: 5, penalty: 2698,
            rows: """
                fe74c8ba72af3f882708a506295208ba1b770932bf2e8badefadbca8d2e8ba92a33f0c612e8825ed06202aa208feaaaaaaaa\
                aabf8005fc523c4cd800c75574fe7c568c029edbdef2ebfe603a9144a3adc8e30d4ac9409a3323f8d796960feecb780a9c53\
                5b7442dce00b72968c9857ab038e2eb672881f68520460c25a15268a99351cfcce4d481ee9bdeed4d9bc80922644339e78f0\
                c22e21811e324682962d6da7e6bb609a2c49fd1b22e30ec22189e912cde8f62b3268dc8e9f0b0eb12a35431c88bfd033be4a\
                4afb0388c69a338e68e85ab2aaab7a56a80e88471e2dd758e82fae657efefefe80ddf25ac05797682388f95f38469a0c95fd\
                c9b36ff9b0431829ee28374308c225711c9d9ce073b5ab8789bf6209999e30045adb181287f66e1a521b889116d6be7764a8\
                27d6e9e91d56ac0090d31c3cdb4318b21086429e172c80c37144008d55f87669458b7a109905563bfa9fbfe9c8a6a0feaeaf\
                4b590f864a44932144f802d82b3efe8dff000d732e384e4888feaf73ea2512a9082fe7da3b5788f0ba4661bf6c31fa0ba5e1\
                ee9456c4e0ba66b48d1ceeed8828c1a8f34fbde0fee0f04358226b0
                """),
        QRVector(
            text: """
                dxjoin1:X1fH-ZM9TBrKrmGsNmjQ8mT3OA94HhblZa_QFPiyCEs5lkO-nMLpQAK4lXOELxyxeH8ilqtekYJEB1J5_TkPo-QyFcIo\
                CVvQ2hmsCfjdpypYlVoecyxp9Ahc2mHiCjMS3xh7fmYzHT8vAhuuRGp4wb80NTXGtb6kQfJrE9TKTqNX1kayQuEC5W1eZ1fv5iHu\
                5-ae_PN7g1ykqbZ1OaBbamypzMJxm8YkcJ5oGrSotJcffAHOUf_63VwAWLbrtIQRVlRefIutLUYqLo9EgNwjMZQM1nm98RRp9o_2
                """,
            version: 11, level: .low, mask: 3, penalty: 3024,
            rows: """
                fedd557418715bf882637bd9c49fda08baf8e5acde337ae8bab5fd5a1c73eae8baa57e0fd61432e8826f7028ef76e208feaa\
                aaaaaaaaabf800426358e7dbd000f2ed679fd0c51ce878f725c99da9c3709a9cfa48d12372c09d02d09c239225e07be4e8c1\
                de51df58fcd5380f1a04e1b8da4ac34c4aa7943094cae8e324fccb10d2941072e22a2990200d462df18e8cf0b2b5a1870946\
                90f8b843a1702c1529507ebdcf9f15c11310381e37881c70c6f83286ca45de366800a156cabc2f3bfaf8df65a1889c30a860\
                1825144e5e9d60380fdb3d362dacdc90d4bc3936e2ec05085fe69d6fc77a6f8818cba348f9c718e86aa423bad9906ab8b8ec\
                e328984e88d8efd1dc1fb5c72fc8242d35259cf05518eec37fa709f96120f4a6b3f9395f84e8f214a1479a37f6d0e9e73c09\
                cf0dffb8a7f96748a61e45905d2415241bcffb181e09b9b5231c6aa0296f955761dede6813bd76719779730830f70a698fe5\
                0ac087ea4f1471a10ba0d0be238a8569430856361904286b2d8045a26e5c4ed607e0ca87659f68739e785957bd4e879d7590\
                3e985949d6c53d70e9b4f4a1264d6888f34e0defc55c2f9000f1a368b1da98c8fe4abfeaba62bab8820791189f8908d0ba13\
                16afb0870f90bad37b8f81b9c9c8baa662c1b4af66b082948b45814485a0fe94a9475e35a438
                """),
        QRVector(
            text: "dxjoin1:e2",
            version: 1, level: .medium, mask: 2, penalty: 1032,
            rows: """
                fe0bf8823a08baf2e8bafae8bafae882ca08feabf800b800be6be0742a984a3330f5a460ee531000bc88fe0d1082f9e8bace\
                88baa9c0baf240826060fed190
                """),
        QRVector(
            text: "dx5",
            version: 1, level: .medium, mask: 0, penalty: 986,
            rows: """
                fe5bf882da08ba32e8ba72e8ba8ae8822a08feabf8003800aa50904d2268d2c8b8d0025073ead800d518fe5778827dc8ba97\
                28ba2230bae888826230feaab8
                """),
        QRVector(
            text: "dx10",
            version: 1, level: .medium, mask: 6, penalty: 1000,
            rows: """
                fec3f8829a08baeae8ba2ae8baeae8825a08feabf80078009f8cb8b9aa90a246f82c30604bc208009930feafe0829da8badb\
                18bad8e0ba02788226b8fed020
                """),
        QRVector(
            text: "dx176",
            version: 1, level: .medium, mask: 1, penalty: 1054,
            rows: """
                feb3f8824a08ba92e8ba2ae8ba7ae882fa08feabf8006800a32128bd7738e3fde8881700529f8800a008fee228824890ba42\
                08ba1640bafd98823680fede88
                """),
    ]
}
