import DXSecure
import DXWire
import Logging
import NIOCore

/// What a gateway of a group puts on its disk. Full disks and lost ones are told, and tried again; traffic goes on.
extension GroupAgent {
    /// What is written by itself.
    enum Saved: Hashable {
        /// The group, with its secrets.
        case group
        /// The invitations of this gateway.
        case invites
        /// Where members were reached.
        case reach

        fileprivate var words: String {
            switch self {
            case .group: "the group is"
            case .invites: "the invitations are"
            case .reach: "where members were reached is"
            }
        }
    }

    private static let saveAgainPause = Interval.seconds(60)

    /// Whether the disk has all of the group, or will when what is being written is.
    var isSaved: Bool { saveAt == .distantFuture }

    /// Writes the group, new secrets before the records that name them: a record without its secret would have to be asked for
    /// again, of somebody who has it.
    func saveGroup() -> EventLoopFuture<Void> {
        saveNoLater()
        let epochs = unsavedEpochs
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        return writer.save(file, epochs: epochs).always { result in
            let agent = bound.value
            if case .success = result {
                let names = epochs.map(\.secret.name)
                agent.unsavedEpochs.removeAll { names.contains($0.secret.name) }
            }
            agent.saved(.group, result)
        }
    }

    /// Writes the invitations.
    func saveInvites() -> EventLoopFuture<Void> {
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        return writer.save(invites).always { bound.value.saved(.invites, $0) }
    }

    private func saved(_ what: Saved, _ result: Result<Void, any Error>) {
        switch result {
        case .success: saveProblems[what] = nil
        case .failure(let error):
            if saveProblems[what] == nil {
                core.warn("\(what.words) not saved, and tried again", ["error": "\(error)"], level: .error)
            }
            saveProblems[what] = "\(error)"
            saveSoon(Self.saveAgainPause)
            rearm()
        }
    }

    /// What could not be written, one sentence each.
    var saveWords: [String] {
        saveProblems.map { "\($0.words) not saved (it is tried again): \($1)" }
    }

    /// Why something could not be kept, for whoever asked for it.
    static func notKept(_ what: String, _ error: any Error) -> GroupError {
        guard let problem = error as? StateProblem else {
            return GroupError(.failed, "\(what): \(error)", "see the gateway's log")
        }
        return GroupError(.failed, "\(what): \(problem.path) \(problem.message)", problem.remedy)
    }
}
