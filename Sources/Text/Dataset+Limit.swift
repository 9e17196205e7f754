extension Dataset {
  /// The first documents, as many as hold about so many tokens: the last one passes the limit.
  ///
  /// - Parameter limit: nil for all of them.
  /// - Returns: The documents, in order.
  public func documents(upTo limit: Int?) -> [TokenizedDocument] {
    guard let limit else { return documents }
    var tokens = 0
    return Array(
      documents.prefix { document in
        defer { tokens += document.tokens.count }
        return tokens < limit
      })
  }
}
