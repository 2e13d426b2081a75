import Testing

@Suite struct DXSimulatorSmoke {
}
