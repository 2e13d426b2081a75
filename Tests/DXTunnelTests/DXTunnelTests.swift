import Testing

@Suite struct DXTunnelSmoke {
}
