import Testing

@Suite struct DXStreamSmoke {
}
