import DXTunnel
import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore

/// The dashboard (`docs/dashboard.md`): the files of its page, which are parts of the program, and what it shows, as JSON.
///
/// The page tells nothing of the gateway and is for whoever connects; what it shows is for who says the token, where there is one.
struct DashboardRoutes: Sendable {
    private let figures: SharedSnapshot<ByteBuffer>

    /// Of the gateway whose snapshots these are. Who asks within a second of another gets the same.
    init(snapshot: SharedSnapshot<GatewayStatus>, events: any EventControl) {
        figures = SharedSnapshot {
            let status = try await snapshot.value()
            return ByteBuffer(
                bytes: try ControlJSON.encode(DashboardSnapshot(status, events: events.recentEvents(after: nil))))
        }
    }

    /// `GET /` and the files that it names.
    func addPage(to router: Router<MetricsContext>) {
        for file in DashboardFiles.all {
            let bytes = ByteBuffer(bytes: file.bytes)
            router.get(RouterPath(file.path)) { _, _ in
                // A browser opens six connections for its files: it is not to hold so many of the server's places afterwards.
                Response(
                    status: .ok, headers: [.contentType: "\(file.type); charset=utf-8", .connection: "close"],
                    body: ResponseBody(byteBuffer: bytes))
            }
        }
    }

    /// `GET /dashboard.json`.
    func addFigures(to group: RouterGroup<MetricsContext>) {
        group.get("/dashboard.json") { [figures] _, _ in
            let bytes: ByteBuffer
            do { bytes = try await figures.value() } catch {
                throw HTTPError(.serviceUnavailable, message: "\(error)")
            }
            return Response(
                status: .ok, headers: [.contentType: "application/json; charset=utf-8"],
                body: ResponseBody(byteBuffer: bytes))
        }
    }

    /// What there is in place of the dashboard where others than this host's programs ask and no token is set.
    static func addRefusal(to router: Router<MetricsContext>) {
        for path in ["/", "/dashboard.json"] {
            router.get(RouterPath(path)) { _, _ -> Response in
                throw HTTPError(
                    .forbidden,
                    message:
                        "beyond this host the dashboard wants a token: metrics: {address: \":9478\", token: FILE} in the gateway's file"
                )
            }
        }
    }
}
