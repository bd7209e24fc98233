import Model

/// What an identity may do, for handlers and pages. Elsewhere in this module, nothing evaluates `Policy`.
extension Admitted {
  /// Whether the identity has a permission; for controls on pages, whose routes check it again.
  func allows(_ permission: Permission) -> Bool { context.permissions.contains(permission) }

  /// Whether the identity may perform an action on a recording of this privacy.
  func allows(_ action: Policy.Act, at privacy: Privacy) -> Bool {
    Policy.allows(action, by: identity, privacy: privacy)
  }
}

extension WebContext {
  /// The permissions of the identity; none without an identity. For pages without a handler, such as errors.
  var permissions: Set<Permission> {
    guard let identity else { return [] }
    return Set(Permission.allCases.filter { Policy.allows($0, for: identity) })
  }
}
