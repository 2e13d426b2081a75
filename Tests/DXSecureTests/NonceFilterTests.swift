import Testing

@testable import DXSecure

@Suite struct NonceFilterTests {
    private func nonce(_ number: Int) -> VeilNonce { VeilNonce(high: UInt64(number), low: 7) }

    @Test func remembersAtLeastOneGenerationAndAtMostTwo() {
        var filter = NonceFilter()
        let generation = NonceFilter.generationCount
        let total = 5 * generation + 100
        for number in 0..<total {
            #expect(!filter.contains(nonce(number)))
            filter.insert(nonce(number))
        }
        let remembered = (0..<total).filter { filter.contains(nonce($0)) }
        #expect(remembered == Array((total - remembered.count)..<total))
        #expect(remembered.count == generation + 100)
    }

    @Test func allBitsCount() {
        var filter = NonceFilter()
        filter.insert(VeilNonce(high: 1, low: 2))
        #expect(filter.contains(VeilNonce(high: 1, low: 2)))
        #expect(!filter.contains(VeilNonce(high: 1, low: 3)))
        #expect(!filter.contains(VeilNonce(high: 2, low: 2)))
    }
}
