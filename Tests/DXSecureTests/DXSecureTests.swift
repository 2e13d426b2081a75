import Testing

@Suite struct DXSecureSmoke {
}
