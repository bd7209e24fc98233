import ArgumentParser
import AsyncHTTPClient
import CXone
import Catalog
import Foundation
import HTTPTransport
import Model
import NIOPosix
import ObjectStorage
import Pipeline
import SystemPackage

/// `tapedeck storage`: the object store.
struct StorageCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "storage", abstract: "Copy the recordings to an S3 bucket.", subcommands: [Copy.self])

  struct Copy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Copy every object from the data directory to an S3 bucket.",
      discussion: """
        Copies to the bucket in TAPEDECK_STORAGE_URL and compares each object with its
        hash in the catalog. If the catalog moves too, copy it first
        ('tapedeck db copy').

        The command can be interrupted and run again: objects in the bucket are read
        back, and those whose bytes are wrong are moved to the bucket's quarantine and
        copied again. The data directory is not changed. Damaged objects are listed
        and not copied; the command then exits with 7.
        """)

    @OptionGroup(title: "General options") var options: GlobalOptions

    func run() async throws {
      let settings = try await options.settings(needsPlatform: false)
      guard settings.deployment.storage != nil else {
        throw TapedeckError(
          .configurationInvalid,
          "TAPEDECK_STORAGE_URL is not set. Set it to the bucket to copy to, such as s3://bucket/prefix.")
      }
      let directory = settings.directory
      guard directory.exists else { throw settings.missingDirectory }
      defer { Terminal.draw([]) }
      let outcome = try await withLock(of: directory) {
        try await OutboundClient.with(.platform) { client in
          try requireCatalog(settings)
          try FileSystemCalls.makeFolder(directory.spool)
          let source = try FileObjectStore(
            root: directory.objects, quarantine: directory.quarantine, threads: .singleton,
            now: SystemServices.system.now)
          let copy = ObjectCopy(
            from: source,
            to: try Node.objectStore(settings.deployment, directory, client: client, system: .system),
            scratch: directory.spool, threads: .singleton)
          let database = try Node.database(settings.deployment, directory, system: .system)
          return try await closing([database]) {
            let catalog = Catalog(database: database)
            guard try await catalog.migrationStatus().contains(where: { $0.appliedAt != nil }) else {
              throw TapedeckError(
                .configurationInvalid, "The database has no catalog. Copy the catalog first ('tapedeck db copy').")
            }
            try await StoreOwnership.requireStore(source, of: catalog)
            return try await copy.run { folder throws(TapedeckError) in
              try await catalog.objectContents(inFolder: folder.description)
            } progress: { outcome in
              guard !options.quiet else { return }
              Terminal.draw(["\(grouped(outcome.copied)) copied, \(grouped(outcome.alreadyThere)) already present"])
            }
          }
        }
      }
      Terminal.draw([])
      try report(outcome, directory)
    }

    /// Checks that the SQLite file exists: opening it would create an empty one.
    private func requireCatalog(_ settings: Settings) throws(TapedeckError) {
      let directory = settings.directory
      guard !settings.deployment.isShared, !directory.hasCatalog else { return }
      if directory.hasObjects { throw StoreOwnership.failure }
      throw directory.missingCatalog
    }

    private func report(_ outcome: ObjectCopy.Outcome, _ directory: DataDirectory) throws {
      if !options.quiet {
        Terminal.say(
          "Copied \(counted(outcome.copied, "object")) (\(counted(outcome.copiedBytes, "byte"))); \(grouped(outcome.alreadyThere)) already present."
        )
        if outcome.repaired > 0 {
          Terminal.say("\(counted(outcome.repaired, "damaged object")) of the bucket replaced.")
        }
      }
      for name in outcome.damaged {
        Terminal.say("Damaged, not copied: \(directory.objects.appending(name.description))")
      }
      if !outcome.damaged.isEmpty {
        throw TapedeckError(
          .objectDamaged,
          "\(counted(outcome.damaged.count, "damaged object")) not copied. Run 'tapedeck verify --all' with the old data directory, then copy again."
        )
      }
    }
  }
}
