/// A queue over an array: what was taken is let go of when it is more than half.
struct Line<Element: Sendable>: Sendable {
    private var elements: [Element] = []
    private var head = 0

    /// The elements that wait.
    var count: Int { elements.count - head }
    /// The one that waits longest.
    var first: Element? { head < elements.count ? elements[head] : nil }

    /// Puts an element at the end.
    mutating func append(_ element: Element) { elements.append(element) }

    /// Takes the first away; there must be one.
    mutating func removeFirst() {
        head += 1
        if head > 64 && head * 2 > elements.count {
            elements.removeSubrange(..<head)
            head = 0
        }
    }

    /// Takes the first out.
    mutating func popFirst() -> Element? {
        guard let element = first else { return nil }
        removeFirst()
        return element
    }

    /// Lets go of all.
    mutating func removeAll() {
        elements = []
        head = 0
    }
}
