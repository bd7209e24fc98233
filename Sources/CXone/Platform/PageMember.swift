/// What a member beside the list says about the list. Names are compared without case and separators: `hasMore`,
/// `has_more` and `HasMore` are the same.
///
/// The table is complete: a member that is not in it makes a list doubtful, because it may say that the list is not
/// whole.
enum PageMember {
  /// It describes the request or the answer, and says nothing about whether the list is whole.
  case harmless
  /// An object whose members count as members of the page.
  case container
  /// The parameters of the request, repeated.
  case request
  /// Links to other pages, by their relation.
  case links
  /// True when the list continues after this page.
  case more
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

  private static let named: [String: PageMember] = {
    let names: [(PageMember, String)] = [
      (
        .harmless,
        """
        requestid traceid correlationid transactionid operationid id name self type kind object title description
        version apiversion schemaversion odatacontext context took duration durationms elapsed elapsedms timestamp
        generatedat servertime timezone locale tenant tenantid limit pagesize perpage maxresults size skip offset top
        number pagenumber currentpage pageindex start end from to starttime endtime startdate enddate direction sort
        sortby sortorder order orderby fields first firstpage prev previous prevpage previouspage prevcursor
        previouscursor previoustoken startcursor beforecursor hasprevious haspreviouspage hasprev totaldurationms
        moreinfo documentation help
        """
      ),
      (.container, "meta metadata page paging pagination pageinfo info summary response resultset cursors"),
      (.request, "query request parameters params filter filters criteria search"),
      (.links, "links link"),
      (
        .more,
        """
        hasmore hasnext hasnextpage more morerecords moreresults moreavailable hasmorerecords hasmoreresults
        hasmoreitems hasmorerows truncated istruncated partial incomplete incompleteresults limitreached limitexceeded
        """
      ),
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
