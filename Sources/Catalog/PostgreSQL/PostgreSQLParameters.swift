import CPostgres

/// The values of a statement in PostgreSQL's binary format.
struct PostgreSQLParameters {
  private let values: [Value]
  /// All values, and one more byte, so that the buffer is never empty.
  private let bytes: [UInt8]
  /// The offset and length of each value; nil for a null.
  private let places: [(offset: Int, length: Int32)?]

  init(_ values: [Value]) throws(PostgreSQLFailure) {
    // The protocol has a 16-bit count.
    guard values.count <= 65_535 else { throw PostgreSQLFailure(message: "a statement has \(values.count) values") }
    var bytes: [UInt8] = []
    var places: [(offset: Int, length: Int32)?] = []
    for value in values {
      let offset = bytes.count
      switch value {
      case .null: break
      case .integer(let number): withUnsafeBytes(of: number.bigEndian) { bytes += $0 }
      case .real(let number): withUnsafeBytes(of: number.bitPattern.bigEndian) { bytes += $0 }
      case .text(let text): bytes += withoutNUL(text).utf8
      case .blob(let blob): bytes += blob
      }
      guard let length = Int32(exactly: bytes.count - offset) else {
        throw PostgreSQLFailure(message: "a value has \(bytes.count - offset) bytes")
      }
      places.append(value == .null ? nil : (offset, length))
    }
    self.values = values
    self.bytes = bytes + [0]
    self.places = places
  }

  /// Calls `body` with the arguments of libpq's functions: count, types, addresses, lengths, formats.
  func withPointers<T>(
    _ body: (
      Int32, UnsafePointer<Oid>, UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<Int32>, UnsafePointer<Int32>
    ) -> T
  ) -> T {
    bytes.withUnsafeBytes { bytes in
      let addresses = places.map { place in
        place.flatMap { bytes.baseAddress?.advanced(by: $0.offset).assumingMemoryBound(to: CChar.self) }
      }
      // One more element each, since the address of an empty array may be nil.
      let types = values.map(\.postgreSQLType) + [0]
      let lengths = places.map { $0?.length ?? 0 } + [0]
      let formats = [Int32](repeating: 1, count: values.count + 1)
      return types.withUnsafeBufferPointer { types in
        (addresses + [nil]).withUnsafeBufferPointer { addresses in
          lengths.withUnsafeBufferPointer { lengths in
            formats.withUnsafeBufferPointer { formats in
              body(
                Int32(values.count), types.baseAddress!, addresses.baseAddress!, lengths.baseAddress!,
                formats.baseAddress!)
            }
          }
        }
      }
    }
  }
}

extension Value {
  /// The OID of the type; 0 lets the server infer the type of a null.
  var postgreSQLType: UInt32 {
    switch self {
    case .null: 0
    case .integer: PostgreSQLType.int8
    case .real: PostgreSQLType.float8
    case .text: PostgreSQLType.text
    case .blob: PostgreSQLType.bytea
    }
  }
}

/// The OIDs of built-in types (`pg_type.dat`), which never change.
enum PostgreSQLType {
  static let bool: UInt32 = 16
  static let bytea: UInt32 = 17
  static let char: UInt32 = 18
  static let name: UInt32 = 19
  static let int8: UInt32 = 20
  static let int2: UInt32 = 21
  static let int4: UInt32 = 23
  static let text: UInt32 = 25
  static let oid: UInt32 = 26
  static let float4: UInt32 = 700
  static let float8: UInt32 = 701
  static let unknown: UInt32 = 705
  static let bpchar: UInt32 = 1042
  static let varchar: UInt32 = 1043
  static let void: UInt32 = 2278
}
