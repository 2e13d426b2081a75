@main
struct DXGateway {
    static func main() {}
}
