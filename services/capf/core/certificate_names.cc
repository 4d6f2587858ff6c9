#include "services/capf/core/certificate_names.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMaxCommonName = 64;  // ub-common-name
constexpr size_t kMaxPart = 128;       // ub-locality-name, ub-state-name
constexpr size_t kMaxOrganization = 64;
constexpr size_t kMaxUri = 2048;

absl::Status Refuse(std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, "SUBJECT_INVALID",
                   message);
}

// Well-formed UTF-8 (RFC 3629) without control characters.
bool IsPrintableUtf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<uint8_t>(text[i]);
    size_t more = 0;
    uint32_t point = 0;
    uint32_t least = 0;
    if (lead < 0x80) {
      point = lead;
    } else if (lead >= 0xc2 && lead <= 0xdf) {
      more = 1, point = lead & 0x1f, least = 0x80;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2, point = lead & 0x0f, least = 0x800;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3, point = lead & 0x07, least = 0x10000;
    } else {
      return false;
    }
    if (text.size() - i <= more) return false;
    for (size_t k = 1; k <= more; ++k) {
      const auto next = static_cast<uint8_t>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3f);
    }
    if (point < least || point > 0x10ffff) return false;
    if (point >= 0xd800 && point <= 0xdfff) return false;
    if (point < 0x20 || (point >= 0x7f && point < 0xa0)) return false;
    i += more + 1;
  }
  return true;
}

bool IsLowerAlnum(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c);
}

// Takes `prefix` off the front.
bool Take(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

absl::Status CheckSubjectName(const SubjectName& name) {
  if (!name.country.empty() &&
      (name.country.size() != 2 || !absl::ascii_isupper(name.country[0]) ||
       !absl::ascii_isupper(name.country[1]))) {
    return Refuse("country is not two capital letters");
  }
  if (name.common_name.size() > kMaxCommonName) {
    return Refuse("common name is longer than 64 octets");
  }
  if (name.organization.size() > kMaxOrganization ||
      name.organizational_unit.size() > kMaxOrganization) {
    return Refuse("organization is longer than 64 octets");
  }
  if (name.state.size() > kMaxPart || name.locality.size() > kMaxPart) {
    return Refuse("a part of the subject is longer than 128 octets");
  }
  for (const std::string* part :
       {&name.state, &name.locality, &name.organization,
        &name.organizational_unit, &name.common_name}) {
    if (!IsPrintableUtf8(*part)) {
      return Refuse("subject is not printable UTF-8");
    }
  }
  return absl::OkStatus();
}

bool IsDnsName(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  size_t label = 0;
  bool last_label_numeric = true;
  char previous = '.';
  for (const char c : name) {
    if (c == '.') {
      if (label == 0 || previous == '-') return false;
      label = 0;
      last_label_numeric = true;
    } else {
      if (!IsLowerAlnum(c) && c != '-') return false;
      if (c == '-' && label == 0) return false;
      if (++label > 63) return false;
      if (!absl::ascii_isdigit(c)) last_label_numeric = false;
    }
    previous = c;
  }
  // A numeric last label would read as an IPv4 address.
  return label != 0 && previous != '-' && !last_label_numeric;
}

bool IsSipDomainUri(std::string_view uri) {
  if (!Take(uri, "sip:") && !Take(uri, "sips:")) return false;
  return IsDnsName(uri);
}

bool IsSpiffeUri(std::string_view uri) {
  if (uri.size() > kMaxUri || !Take(uri, "spiffe://")) return false;
  const size_t slash = uri.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash > 255) {
    return false;
  }
  for (const char c : uri.substr(0, slash)) {
    if (!IsLowerAlnum(c) && c != '.' && c != '-' && c != '_') return false;
  }
  std::string_view path = uri.substr(slash);
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view segment = path.substr(0, path.find('/'));
    if (segment.empty() || segment == "." || segment == "..") return false;
    for (const char c : segment) {
      if (!absl::ascii_isalnum(c) && c != '.' && c != '-' && c != '_') {
        return false;
      }
    }
    path.remove_prefix(segment.size());
  }
  return true;
}

bool IsDeviceName(std::string_view name) {
  if (name.empty() || name.size() > 64) return false;
  for (const char c : name) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '_') return false;
  }
  return true;
}

}  // namespace sallyport::capf
