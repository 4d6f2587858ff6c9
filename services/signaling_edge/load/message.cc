#include "services/signaling_edge/load/message.h"

#include <cstdlib>

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kNone = std::string_view::npos;

// "\r\n" + name + ":"
std::string Key(std::string_view name) {
  std::string key = "\r\n";
  key.append(name);
  key.push_back(':');
  return key;
}

}  // namespace

size_t WholeMessage(std::string_view octets) {
  const size_t end = octets.find("\r\n\r\n");
  if (end == kNone) return 0;
  const std::string_view length = Field(octets, "Content-Length");
  const size_t size =
      end + 4 + static_cast<size_t>(std::atoi(std::string(length).c_str()));
  return octets.size() < size ? 0 : size;
}

int CodeOf(std::string_view message) {
  if (!message.starts_with("SIP/2.0 ") || message.size() < 11) return 0;
  return (message[8] - '0') * 100 + (message[9] - '0') * 10 + message[10] - '0';
}

std::string_view Field(std::string_view message, std::string_view name) {
  const std::string key = Key(name);
  size_t at = message.find(key);
  if (at == kNone) return {};
  at += key.size();
  while (at < message.size() && message[at] == ' ') ++at;
  return message.substr(at, message.find("\r\n", at) - at);
}

std::string Lines(std::string_view message, std::string_view name) {
  const std::string key = Key(name);
  std::string out;
  for (size_t at = 0; (at = message.find(key, at)) != kNone;) {
    const size_t end = message.find("\r\n", at + 2);
    out.append(message.substr(at + 2, end + 2 - (at + 2)));
    at = end;
  }
  return out;
}

std::string_view Between(std::string_view text, std::string_view before,
                         std::string_view end) {
  size_t at = text.find(before);
  if (at == kNone) return {};
  at += before.size();
  return text.substr(at, text.find_first_of(end, at) - at);
}

uint32_t NumberIn(std::string_view uri) {
  const size_t at = uri.find('@');
  if (at == kNone || at < 8) return UINT32_MAX;
  uint32_t number = 0;
  for (const char c : uri.substr(at - 8, 8)) {
    if (c < '0' || c > '9') return UINT32_MAX;
    number = number * 10 + static_cast<uint32_t>(c - '0');
  }
  return number;
}

std::string Digits(uint32_t number) {
  std::string out(8, '0');
  for (size_t i = 8; i-- > 0; number /= 10) {
    out[i] = static_cast<char>('0' + number % 10);
  }
  return out;
}

std::string ResponseTo(std::string_view request, std::string_view start,
                       std::string_view to_tag, std::string_view more,
                       std::string_view body) {
  std::string out = "SIP/2.0 ";
  out.append(start).append("\r\n");
  out.append(Lines(request, "Via"));
  out.append(Lines(request, "Record-Route"));
  out.append(Lines(request, "From"));
  std::string to = Lines(request, "To");
  if (!to_tag.empty() && to.find(";tag=") == std::string::npos) {
    to.insert(to.size() - 2, std::string(";tag=").append(to_tag));
  }
  out.append(to);
  out.append(Lines(request, "Call-ID"));
  out.append(Lines(request, "CSeq"));
  out.append(more);
  out.append("Content-Length: ").append(std::to_string(body.size()));
  out.append("\r\n\r\n").append(body);
  return out;
}

}  // namespace sallyport::signaling_edge
