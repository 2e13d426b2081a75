import DXControl
import FoundationEssentials
import Testing

@Suite struct StartupMemoryTests {
    /// The test program itself gives up its code, and goes on.
    @Test func codeComesBack() throws {
        var (released, isLess) = (0, false)
        // Tests beside this one take memory meanwhile.
        for _ in 0..<1_000 where !isLess {
            let before = try resident()
            released = StartupMemory.release()
            isLess = try resident() < before
        }
        #expect(released > 1 << 20)
        #expect(isLess)
        // Constants are what they were, and so is what the loader wrote.
        #expect((1...100).map(String.init).joined().count == 192)
        #expect(StartupMemory.release() == released)
    }

    /// Resident pages of this process.
    private func resident() throws -> Int {
        let line = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        let fields = line.split(separator: " ")
        return try #require(fields.count > 1 ? Int(fields[1]) : nil)
    }
}
