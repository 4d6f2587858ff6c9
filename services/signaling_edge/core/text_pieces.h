// Putting text together and taking it apart, in std::string_view: Debian's
// Abseil has a string_view of its own, so absl::StrCat and absl::StrSplit do
// not take ours (services/common/bytes/string_view.h).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TEXT_PIECES_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TEXT_PIECES_H_

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::signaling_edge {

inline void AppendPiece(std::string& out, std::string_view piece) {
  out.append(piece);
}
template <std::integral T>
requires(!std::same_as<T, char> &&
         !std::same_as<T, bool>) void AppendPiece(std::string& out, T number) {
  out += std::to_string(number);
}

// Appends text and decimal numbers in order.
template <typename... Pieces>
void CatTo(std::string& out, const Pieces&... pieces) {
  (AppendPiece(out, pieces), ...);
}

template <typename... Pieces>
std::string Cat(const Pieces&... pieces) {
  std::string out;
  CatTo(out, pieces...);
  return out;
}

// Every part between separators, the empty ones too; borrows `text`.
inline std::vector<std::string_view> Split(std::string_view text,
                                           char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

// The words between runs of spaces and tabs; borrows `text`.
inline std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  for (;;) {
    const size_t start = text.find_first_not_of(" \t");
    if (start == std::string_view::npos) return words;
    text.remove_prefix(start);
    const size_t end = text.find_first_of(" \t");
    words.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return words;
    text.remove_prefix(end);
  }
}

// If `text` starts with `prefix`, cuts it off and says so.
inline bool ConsumePrefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TEXT_PIECES_H_
