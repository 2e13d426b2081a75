import Testing

@Suite struct DXWireSmoke {
}
