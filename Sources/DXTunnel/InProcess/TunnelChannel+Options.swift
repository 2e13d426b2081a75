import NIOCore

/// The options of a tunnel's channel: `autoRead`, `allowRemoteHalfClosure`, `writeBufferWaterMark`, `allocator`; to be read only,
/// `bufferedWritableBytes`.
extension TunnelChannel {
    func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> EventLoopFuture<Void> {
        onLoop { try $0.setOption0(option, value: value) }
    }

    func getOption<Option: ChannelOption>(_ option: Option) -> EventLoopFuture<Option.Value> {
        onLoop { try $0.getOption0(option) }
    }

    /// At once where that is possible: bootstraps and pipelines count on it.
    private func onLoop<Result: Sendable>(
        _ body: @escaping @Sendable (TunnelChannel) throws -> Result
    ) -> EventLoopFuture<Result> {
        guard eventLoop.inEventLoop else { return eventLoop.submit { try body(self) } }
        return eventLoop.makeCompletedFuture { try body(self) }
    }

    func setOption0<Option: ChannelOption>(_ option: Option, value: Option.Value) throws {
        guard !isClosed else { throw ChannelError.ioOnClosedChannel }
        switch (option, value) {
        case (is ChannelOptions.Types.AutoReadOption, let value as Bool): setAutoReading(value)
        case (is ChannelOptions.Types.AllowRemoteHalfClosureOption, let value as Bool): allowsRemoteHalfClosure = value
        case (
            is ChannelOptions.Types.WriteBufferWaterMarkOption, let value as ChannelOptions.Types.WriteBufferWaterMark
        ): setWaterMark(value)
        case (is ChannelOptions.Types.AllocatorOption, let value as ByteBufferAllocator): allocator = value
        default: throw ChannelError.operationUnsupported
        }
    }

    func getOption0<Option: ChannelOption>(_ option: Option) throws -> Option.Value {
        guard !isClosed else { throw ChannelError.ioOnClosedChannel }
        let value: Any? =
            switch option {
            case is ChannelOptions.Types.AutoReadOption: isAutoReading
            case is ChannelOptions.Types.AllowRemoteHalfClosureOption: allowsRemoteHalfClosure
            case is ChannelOptions.Types.WriteBufferWaterMarkOption: writes.waterMark
            case is ChannelOptions.Types.BufferedWritableBytesOption: writes.byteCount
            case is ChannelOptions.Types.AllocatorOption: allocator
            default: nil
            }
        guard let value = value as? Option.Value else { throw ChannelError.operationUnsupported }
        return value
    }

    var syncOptions: (any NIOSynchronousChannelOptions)? { SynchronousOptions(channel: self) }

    /// The options for whoever is on the event loop.
    private struct SynchronousOptions: NIOSynchronousChannelOptions {
        let channel: TunnelChannel

        func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) throws {
            channel.eventLoop.preconditionInEventLoop()
            try channel.setOption0(option, value: value)
        }

        func getOption<Option: ChannelOption>(_ option: Option) throws -> Option.Value {
            channel.eventLoop.preconditionInEventLoop()
            return try channel.getOption0(option)
        }
    }
}
