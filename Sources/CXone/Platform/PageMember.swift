/// What a member next to the list says about the list. Names are compared without case and separators: `hasMore`,
/// `has_more` and `HasMore` are the same.
///
/// The table is complete: a member that is not in it makes a listing fail, because it may say that the list is
/// incomplete. For headers it cannot be, so `mayLimit` decides about the names that are not in it.
enum PageMember {
  /// It describes the request or the answer, and says nothing about whether the list is complete.
  case harmless
  /// The first and the last moment of the calls in the list. Numbers are positions of rows.
  case periodStart, periodEnd
  /// The maximum number of rows of a page.
  case pageSize
  /// The number of rows, or pages, before this page.
  case offset, pageNumber
  /// The direction of the calls in the list. Other words are the order of rows.
  case direction
  /// An object whose members count as members of the page.
  case container
  /// The parameters of the request, repeated.
  case request
  /// Links to other pages, by their relation.
  case links
  /// True when the list continues after this page; false when it does not.
  case more
  /// True when the list is cut off.
  case cut
  /// False when the list continues after this page.
  case last
  /// The next page, when there is one.
  case next
  /// A position in the list. Some platforms have one on the last page too.
  case position
  /// The number of rows of the list.
  case rows
  /// The number of pages of the list.
  case pages
  /// A problem, when there is one.
  case problem
  /// Whether the request succeeded.
  case success
  /// The status of the request, as a word or number.
  case status

  init?(_ name: String) {
    guard let member = Self.named[Self.key(name)] else { return nil }
    self = member
  }

  /// A name without case and separators.
  static func key(_ name: String) -> String { name.lowercased().filter { $0.isLetter || $0.isNumber } }

  /// The words of the name of a header that say what it is about: not `X`, and not the object that it stands for, such
  /// as `Pagination`.
  static func words(ofHeader name: String) -> [String] {
    let words = name.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init)
    let general = ["x", "ms", "wp", "pagination", "paging", "meta", "metadata"]
    return Array(words.dropLast().drop(while: general.contains) + words.suffix(1))
  }

  /// Whether a header that is not in the table may say that the list is incomplete, as its name shows. Proxies add
  /// headers of any name, so not every unknown one can make a listing fail.
  static func mayLimit(headerWords words: [String]) -> Bool {
    let limits = ["ratelimit", "rate", "quota"]
    return !words.contains(where: limits.contains) && words.contains(where: mayLimit)
  }

  private static func mayLimit(_ word: String) -> Bool {
    let parts = ["paginat", "trunc", "next", "continuation", "error", "partial", "incomplete", "total", "warning"]
    return parts.contains { word.contains($0) } || word.hasPrefix("more") || word.hasSuffix("more")
      || ["pages", "records", "rows"].contains { word.hasSuffix($0) }
      || word.hasSuffix("count") && !["account", "discount"].contains { word.hasSuffix($0) }
  }

  /// Whether the program must read a member of this name, so that no setting may hide it: the list, and what says
  /// whether it continues.
  static func isRequired(_ name: String) -> Bool {
    if ["recordings", "nextcursor"].contains(key(name)) { return true }
    return switch named[words(ofHeader: name).joined()] ?? named[key(name)] {
    case .more, .cut, .last, .next: true
    default: false
    }
  }

  private static let named: [String: PageMember] = {
    let names: [(PageMember, String)] = [
      (
        .harmless,
        """
        requestid traceid correlationid transactionid operationid id name self type kind object title description
        version apiversion schemaversion odatacontext context took duration durationms elapsed elapsedms timestamp
        generatedat servertime timezone locale tenant tenantid sort sortby sortorder order orderby fields first
        firstpage prev previous prevpage previouspage prevcursor previouscursor previoustoken startcursor beforecursor
        hasprevious haspreviouspage hasprev totaldurationms moreinfo documentation help
        """
      ),
      (.periodStart, "start starttime startdate from"), (.periodEnd, "end endtime enddate to"),
      (.pageSize, "limit pagesize perpage maxresults size top"), (.offset, "offset skip"),
      (.pageNumber, "number pagenumber currentpage pageindex"), (.direction, "direction"),
      (.container, "meta metadata page paging pagination pageinfo info summary response resultset cursors"),
      (.request, "query request parameters params filter filters criteria search"),
      (.links, "links link"),
      (
        .more,
        """
        hasmore hasnext hasnextpage more morerecords moreresults moreavailable hasmorerecords hasmoreresults
        hasmoreitems hasmorerows
        """
      ),
      (.cut, "truncated istruncated partial incomplete incompleteresults limitreached limitexceeded"),
      (.last, "islast islastpage last lastpage complete iscomplete done nomore nomorerecords nomoreresults"),
      (
        .next,
        """
        next nextpage nextlink nexturl nextpageurl nextpagelink nexttoken nextpagetoken nextpagenumber nextcursor
        nextoffset odatanextlink continuation continuationtoken
        """
      ),
      (.position, "cursor scrollid endcursor aftercursor lastcursor"),
      (
        .rows,
        """
        total totalcount totalrecords totalrecordings totalresults totalrows totalitems totalhits totalelements
        totalsize recordstotal numfound count recordcount resultcount rowcount itemcount
        """
      ),
      (.pages, "totalpages pagecount pages numpages pagestotal"),
      (
        .problem,
        """
        error errors haserror haserrors errorcode errormessage errordescription exception fault failed failedcount
        failures failurereason timedout warning warnings message messages notice notices detail details reason
        """
      ),
      (.success, "success ok successful issuccess issuccessful"),
      (.status, "status state code statuscode httpstatus outcome"),
    ]
    var table: [String: PageMember] = [:]
    for (member, text) in names {
      for name in text.split(whereSeparator: \.isWhitespace) { table[String(name)] = member }
    }
    return table
  }()
}
