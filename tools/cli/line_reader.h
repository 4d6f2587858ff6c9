// Where a console's lines come from.

#ifndef SALLYPORT_TOOLS_CLI_LINE_READER_H_
#define SALLYPORT_TOOLS_CLI_LINE_READER_H_

#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::cli {

// Words that may stand where the last of `words` has been begun.
using Completer =
    std::function<std::vector<std::string>(const std::vector<std::string>&)>;

// Thread-compatible.
class LineReader {
 public:
  virtual ~LineReader() = default;
  // Without its end; nothing after the last.
  virtual std::optional<std::string> Next() = 0;
};

// Of a file or a pipe, without a prompt.
std::unique_ptr<LineReader> LinesOf(std::istream& in);

// Of the terminal: `prompt`, editing, history while it lasts (it is written
// nowhere) and completion. One at a time.
std::unique_ptr<LineReader> LinesOfTerminal(std::string prompt,
                                            Completer completer);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_LINE_READER_H_
