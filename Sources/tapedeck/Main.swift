import TapedeckApp

@main
enum Main {
  static func main() async { await Tapedeck.main() }
}
