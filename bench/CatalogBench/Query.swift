import Catalog
import Model

/// A kind of query, with other values in each run.
struct Query: Sendable {
  let name: String
  let make: @Sendable (Int) -> (RecordingFilter, ListCursor?)

  static func all(_ archive: SampleArchive) -> [Query] {
    let day = Duration.seconds(86_400)
    @Sendable func filter(_ change: (inout RecordingFilter) -> Void) -> (RecordingFilter, ListCursor?) {
      var filter = RecordingFilter()
      change(&filter)
      return (filter, nil)
    }
    @Sendable func row(_ run: Int) -> Int { Int(SampleArchive.random(run + 100, 20) % UInt64(archive.rows)) }
    return [
      Query(name: "first page") { _ in filter { _ in } },
      Query(name: "thousandth page, by cursor") { run in
        // Rows are approximately in order of time, so page 1,000 is 50,000 rows from the end.
        let at = archive.startTime(max(0, archive.rows - 50_000 - run))
        return (RecordingFilter(), ListCursor(at: at, id: .max))
      },
      Query(name: "by agent") { run in filter { $0.agent = archive.agent(row(run)).id } },
      Query(name: "by agent's name") { run in filter { $0.agent = archive.agent(row(run)).name } },
      Query(name: "by part of an agent's name: 5 % of rows") { run in
        filter { $0.agent = String(SampleArchive.names[(run + 20) % 20].lowercased().dropFirst()) }
      },
      Query(name: "by part of a name whose calls are all a year old") { _ in filter { $0.agent = "enobi" } },
      Query(name: "by four digits inside a number") { run in
        filter { $0.text = String(archive.number(row(run)).suffix(7).prefix(4)) }
      },
      Query(name: "by the last seven digits of a number") { run in
        filter { $0.text = String(archive.number(row(run)).suffix(7)) }
      },
      Query(name: "by day") { run in
        filter {
          $0.from = archive.startTime(row(run))
          $0.to = archive.startTime(row(run)) + day
        }
      },
      Query(name: "by privacy and status") { run in
        filter {
          $0.privacy = run % 2 == 0 ? .restricted : .standard
          $0.status = ListedStatus.allCases[(run + 20) % 4]
        }
      },
      Query(name: "by privacy") { _ in filter { $0.privacy = .restricted } },
      Query(name: "by status") { run in filter { $0.status = ListedStatus.allCases[(run + 20) % 4] } },
      Query(name: "by number") { run in filter { $0.text = archive.number(row(run)) } },
      Query(name: "by the first digits of a number") { run in
        filter { $0.text = String(archive.number(row(run)).prefix(8)) }
      },
      Query(name: "two words: 5 % and 10 % of rows") { run in
        filter {
          $0.text =
            "\(SampleArchive.names[(run + 20) % 20]) \(SampleArchive.skills[(run + 20) / 20 % 10])"
        }
      },
      Query(name: "two words, thousandth page") { run in
        var filter = RecordingFilter()
        filter.text = "\(SampleArchive.names[(run + 20) % 20]) \(SampleArchive.skills[(run + 20) / 20 % 10])"
        return (filter, ListCursor(at: archive.startTime(archive.rows / 2 - run), id: .max))
      },
      Query(name: "two beginnings of words") { run in
        filter {
          let (name, skill) = (SampleArchive.names[(run + 20) % 20], SampleArchive.skills[(run + 20) / 20 % 10])
          $0.text = "\(name.prefix(2)) \(skill.prefix(1))"
        }
      },
      Query(name: "a word whose matches are all a year old") { _ in filter { $0.text = SampleArchive.former } },
    ]
  }
}
