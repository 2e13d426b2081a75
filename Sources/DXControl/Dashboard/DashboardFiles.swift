/// The files of the dashboard's page: those in `Page`, which SwiftPM makes a part of the program (`PackageResources`).
enum DashboardFiles {
    /// All of them.
    static let all = [
        DashboardFile(path: "/", type: "text/html", bytes: PackageResources.index_html),
        DashboardFile(path: "/dashboard/style.css", type: "text/css", bytes: PackageResources.style_css),
        script("app", PackageResources.app_js),
        script("chart", PackageResources.chart_js),
        script("dom", PackageResources.dom_js),
        script("format", PackageResources.format_js),
        script("history", PackageResources.history_js),
        script("table", PackageResources.table_js),
        script("topology", PackageResources.topology_js),
    ]

    private static func script(_ name: String, _ bytes: [UInt8]) -> DashboardFile {
        DashboardFile(path: "/dashboard/\(name).js", type: "text/javascript", bytes: bytes)
    }
}

/// A file of the dashboard's page.
struct DashboardFile: Sendable {
    /// Where it is served.
    let path: String
    /// Its media type.
    let type: String
    /// What is in it: UTF-8.
    let bytes: [UInt8]
}
