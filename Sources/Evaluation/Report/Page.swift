/// One page: a self-contained HTML file that needs no network, and a script only for sorting tables.
///
/// The page is XHTML inside HTML 5, so that any XML parser reads it, follows the reader's light or dark setting, prints,
/// and works at the width of a phone.
struct Page {
  /// What it is about, for the browser's tab and over the headline.
  let subject: String
  /// The kind of page, before the subject.
  let kind: String
  /// The verdict in a line, then in paragraphs; the last one, which says how far it reaches, stands back.
  let headline: String
  let verdict: [String]
  /// Figures to quote, beside the verdict.
  let cards: [Markup]
  /// Sections; a part that has nothing to show is empty.
  let sections: [[Markup]]
  let footer: String

  /// The text of the file.
  var html: String {
    let page = tag("html", ["lang": "en"]) {
      tag("head") {
        tag("meta", ["charset": "utf-8"])
        tag("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"])
        tag("meta", ["name": "color-scheme", "content": "light dark"])
        tag("title", "Occult: \(subject)")
        tag("style", Self.style)
      }
      tag("body") {
        tag("header") {
          tag("p", ["class": "eyebrow"]) {
            "\(kind) · "
            tag("span", subject)
          }
          tag("h1", headline)
          tag("div", ["class": "top"]) {
            tag("div", ["class": "verdict"]) {
              for (index, sentence) in verdict.enumerated() {
                tag("p", index == verdict.count - 1 ? ["class": "scope"] : [:], sentence)
              }
            }
            tag("div", ["class": "cards"]) { cards }
          }
        }
        tag("main") { sections.flatMap(\.self) }
        tag("footer", footer)
        tag("script", Self.script)
      }
    }
    var output = "<!DOCTYPE html>\n"
    page.write(to: &output)
    // A percentage never starts a line without its number.
    return output.replacing(" %", with: "\u{A0}%") + "\n"
  }

  /// Makes the heads of sortable tables buttons: a click sorts by that column, a second one the other way round.
  ///
  /// It holds no character that XML would escape: browsers read scripts as they are, parsers of XML do not.
  static let script = """
    document.querySelectorAll('table.sortable').forEach(function (table) {
      table.querySelectorAll('thead th').forEach(function (head, column) {
        var button = document.createElement('button');
        button.type = 'button';
        while (head.firstChild) { button.appendChild(head.firstChild); }
        head.appendChild(button);
        button.addEventListener('click', function () {
          var way = head.getAttribute('aria-sort') === 'ascending' ? -1 : 1;
          table.querySelectorAll('thead th').forEach(function (other) { other.removeAttribute('aria-sort'); });
          head.setAttribute('aria-sort', way === 1 ? 'ascending' : 'descending');
          function key(row) {
            var text = row.cells[column].textContent.trim().replace('\u{2212}', '-').replace(/,/g, '');
            var number = parseFloat(text);
            return isNaN(number) ? text : number;
          }
          var rows = Array.from(table.querySelectorAll('tbody tr'));
          rows.sort(function (a, b) {
            var x = key(a), y = key(b);
            if (typeof x === 'number' ? typeof y === 'number' : false) { return way * (x - y); }
            if (typeof x === 'number') { return -1; }
            if (typeof y === 'number') { return 1; }
            return way * x.localeCompare(y);
          });
          rows.forEach(function (row) { table.tBodies[0].appendChild(row); });
        });
      });
    });
    """

  /// A section with a heading and a paragraph that says how to read it.
  static func section(
    _ id: String, _ title: String, lead: String? = nil, @MarkupBuilder _ children: () -> [Markup]
  ) -> Markup {
    tag("section", ["id": id]) {
      tag("h2", title)
      if let lead { tag("p", ["class": "lead"], lead) }
      children()
    }
  }

  /// A table that may be wider than the page, and can be scrolled to by keyboard.
  static func scroll(_ name: String, @MarkupBuilder _ children: () -> [Markup]) -> Markup {
    tag("div", ["class": "scroll", "tabindex": "0", "role": "region", "aria-label": name]) { children() }
  }

  /// A table that the script can sort: heads in two lines, and rows whose first field names them, tinted where marked,
  /// with a line above where they are the first of a group.
  static func table(
    heads: [(String, String)], rows: [(isMarked: Bool, isFirst: Bool, fields: [(value: String, note: String)])]
  ) -> Markup {
    tag("table", ["class": "sortable"]) {
      tag("thead") {
        tag("tr") {
          for (first, second) in heads {
            tag("th", ["scope": "col"]) {
              first
              if !second.isEmpty {
                tag("br")
                second
              }
            }
          }
        }
      }
      tag("tbody") {
        for row in rows {
          tag("tr", ["class": [row.isMarked ? "own" : "", row.isFirst ? "first" : ""].joined(separator: " ")]) {
            for (column, field) in row.fields.enumerated() {
              tag(column == 0 ? "th" : "td", column == 0 ? ["scope": "row"] : [:]) {
                field.value
                if !field.note.isEmpty { tag("small", field.note) }
              }
            }
          }
        }
      }
    }
  }

  /// Facts or terms with their meaning.
  static func definitions(_ kind: String, _ entries: [(String, String)]) -> Markup {
    tag("dl", ["class": kind]) {
      for (name, value) in entries {
        tag("div") {
          tag("dt", name)
          tag("dd", value)
        }
      }
    }
  }

  /// A card: an arm's name, what it is, and three figures with a note each.
  static func card(
    series: Int, name: String, note: String, figures: [(name: String, value: String, note: String)]
  ) -> Markup {
    tag("div", ["class": "card s\(series % 6)"]) {
      tag("h2") {
        tag("span", ["class": "name"], name)
        note
      }
      tag("dl") {
        for figure in figures {
          tag("div") {
            tag("dt", figure.name)
            tag("dd", figure.value)
            tag("dd", ["class": "note"], figure.note)
          }
        }
      }
    }
  }

  /// A change against the reference in words.
  static func change(_ share: Double) -> String { (share > 0 ? "+" : "") + Numbers.percent(share) }
}
