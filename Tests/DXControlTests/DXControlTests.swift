import Testing

@Suite struct DXControlSmoke {
}
