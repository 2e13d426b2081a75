/// What a gateway leaves to another start of itself (`docs/restart.md` §3): a description, and the descriptors that it speaks of. Whoever
/// has this value has to close them, or give them to an `Inheritance`.
package struct Bequest: Sendable, Codable, Equatable {
    /// A UDP socket.
    package struct Socket: Sendable, Codable, Equatable {
        /// Of which event loop.
        var loop: Int
        /// As of `InheritedSocket`.
        var stripe: Int
        /// Its place in `descriptors`.
        var place: Int
    }

    /// A place at which an origin takes connections.
    package struct Listener: Sendable, Codable, Equatable {
        /// What destinations know the tunnel by.
        var tunnel: String
        /// Where, as the configuration has it, and which of the tunnel's ports.
        var address: String
        var offset: Int
        /// Clients can connect already, and wait to be accepted.
        var isListening: Bool
        /// Its place in `descriptors`.
        var place: Int
    }

    /// How many event loops there are: a successor with another number can not go on with the sockets.
    var loopCount: Int
    var sockets: [Socket] = []
    var listeners: [Listener] = []
    /// For each event loop the end of a stream that takes datagrams of the sessions which go on: the places in `descriptors`.
    var relays: [Int] = []
    /// The descriptors; they are no part of the text.
    package var descriptors: [CInt] = []

    private enum CodingKeys: String, CodingKey { case loopCount, sockets, listeners, relays }

    /// What nobody can go on with.
    package static let nothing = Bequest(loopCount: -1)

    /// Nothing yet.
    init(loopCount: Int) { self.loopCount = loopCount }

    /// Reads a description. Throws when it is none.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        loopCount = try container.decode(Int.self, forKey: .loopCount)
        sockets = try container.decode([Socket].self, forKey: .sockets)
        listeners = try container.decode([Listener].self, forKey: .listeners)
        relays = try container.decode([Int].self, forKey: .relays)
    }

    /// Adds a descriptor; its place.
    mutating func add(_ descriptor: CInt) -> Int {
        descriptors.append(descriptor)
        return descriptors.count - 1
    }

    /// Whether it speaks of descriptors that are there, each once.
    var isWhole: Bool {
        let places = sockets.map(\.place) + listeners.map(\.place) + relays
        return loopCount > 0 && places.allSatisfy { descriptors.indices.contains($0) }
            && Set(places).count == places.count
            && relays.count == loopCount && sockets.allSatisfy { (0..<loopCount).contains($0.loop) }
    }
}
