package import Model

extension Value: ValueConvertible { package var sqlValue: Value { self } }
extension String: ValueConvertible { package var sqlValue: Value { .text(self) } }
extension Int64: ValueConvertible { package var sqlValue: Value { .integer(self) } }
extension Int: ValueConvertible { package var sqlValue: Value { .integer(Int64(self)) } }
extension Bool: ValueConvertible { package var sqlValue: Value { .integer(self ? 1 : 0) } }
extension [UInt8]: ValueConvertible { package var sqlValue: Value { .blob(self) } }
extension Instant: ValueConvertible { package var sqlValue: Value { .integer(milliseconds) } }
extension SourceID: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension RecordingID: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension Privacy: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension PlatformStatus: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension Direction: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension Role: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension Stage: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension ContentHash: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension ObjectName: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension Priority: ValueConvertible { package var sqlValue: Value { .integer(rawValue) } }
extension Lane: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension RunState: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension Step: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension TapedeckError.Code: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
