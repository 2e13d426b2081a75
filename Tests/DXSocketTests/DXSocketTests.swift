import Testing

@Suite struct DXSocketSmoke {
}
