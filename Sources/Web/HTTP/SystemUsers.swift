import Glibc

/// The names that operators have in the access log: `operator:` and the name of the system user.
///
/// Uses `getpwuid_r` and `getpwnam_r`, because `getpwuid` and `getpwnam` share their result between threads.
enum SystemUsers {
  static let prefix = "operator:"

  /// The name of an operator; it contains the number when the system user has no name.
  static func operatorName(of id: uid_t) -> String {
    prefix + (lookUp({ getpwuid_r(id, $0, $1, $2, $3) })?.name ?? "\(id)")
  }

  /// The ID of an operator; nil when the text is not `operator:` and the name of a system user of this machine.
  static func operatorID(named text: String) -> String? {
    guard text.hasPrefix(prefix) else { return nil }
    let name = String(text.dropFirst(prefix.count))
    return lookUp({ getpwnam_r(name, $0, $1, $2, $3) }).map { "\(prefix)\($0.id)" }
  }

  private typealias Search = (
    UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>, Int, UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>
  ) -> Int32

  private static func lookUp(_ search: Search) -> (id: uid_t, name: String)? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16 << 10) { space in
      var user = passwd()
      var found: UnsafeMutablePointer<passwd>?
      guard let buffer = space.baseAddress, search(&user, buffer, space.count, &found) == 0, found != nil
      else { return nil }
      return (user.pw_uid, String(cString: user.pw_name))
    }
  }
}
