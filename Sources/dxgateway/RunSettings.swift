import DXControl
import DXTunnel
import Logging

/// What the files say of a gateway that is to run.
struct RunSettings {
    private enum Source {
        /// A gateway in a group, and what is its own.
        case state(String, LocalSettings)
        case file(GatewayConfiguration)
    }

    private let source: Source

    /// A gateway of a configuration file.
    init(_ configuration: GatewayConfiguration) { source = .file(configuration) }

    /// A gateway of a state directory.
    init(state: String, _ settings: LocalSettings) { source = .state(state, settings) }

    /// Where the control socket goes, if the files say so.
    var controlPath: String? {
        switch source {
        case .state(_, let settings): settings.controlPath
        case .file(let configuration): configuration.controlPath
        }
    }

    /// Where metrics are served.
    var metrics: MetricsPlace {
        switch source {
        case .state(_, let settings): settings.metrics
        case .file(let configuration): configuration.metrics
        }
    }

    /// Its limits.
    var limits: GatewayConfiguration.Limits {
        switch source {
        case .state(_, let settings): settings.limits
        case .file(let configuration): configuration.limits
        }
    }

    /// What it has in common with another start of it.
    var terms: SuccessionTerms {
        switch source {
        case .state(_, let settings):
            SuccessionTerms(version: DXVersion.current, listen: "\(settings.listen)", threads: 1)
        case .file(let configuration):
            SuccessionTerms(
                version: DXVersion.current, listen: "\(configuration.listen)",
                threads: Gateway.threadCount(configuration))
        }
    }

    /// Makes it; of a state directory it takes the lock.
    func gateway(_ logger: Logger) throws -> Gateway {
        switch source {
        case .state(let state, let settings): try Gateway(stateDirectory: state, settings: settings, logger: logger)
        case .file(let configuration): try Gateway(configuration: configuration, logger: logger)
        }
    }
}
