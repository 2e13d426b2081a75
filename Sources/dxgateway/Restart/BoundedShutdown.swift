import ServiceLifecycle

/// Services that have so long to end when the program does. Told to end by themselves, as when another start takes over, they have all
/// the time that there is.
struct BoundedShutdown: Service {
    let services: ServiceGroup
    let time: Duration

    func run() async throws {
        let running = Task { try await services.run() }
        try await withTaskCancellationHandler {
            try await withGracefulShutdownHandler {
                try await running.value
            } onGracefulShutdown: {
                Task {
                    try? await Task.sleep(for: time)
                    running.cancel()
                }
            }
        } onCancel: {
            running.cancel()
        }
    }
}
