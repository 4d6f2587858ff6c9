#include "services/common/pki/name_constraints.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

constexpr size_t kMaxComparisons = size_t{1} << 18;

using Type = GeneralName::Type;

enum class Match { kNo, kYes, kCannotTell };

std::string Lower(std::string_view text) {
  return absl::AsciiStrToLower(absl::string_view(text.data(), text.size()));
}

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() &&
         text.substr(text.size() - end.size()) == end;
}

// `name` is `base` or below it; both in lower case.
bool IsBelow(std::string_view name, std::string_view base) {
  if (base.empty()) return true;
  if (base.front() == '.') return EndsWith(name, base);
  return name == base ||
         (EndsWith(name, base) && name[name.size() - base.size() - 1] == '.');
}

Match MatchDns(std::string_view raw_name, std::string_view raw_base,
               bool excluded) {
  const std::string name = Lower(raw_name);
  const std::string base = Lower(raw_base);
  if (!IsDnsName(name)) return Match::kCannotTell;
  if (!base.empty() &&
      !IsDnsName(base.front() == '.' ? std::string_view(base).substr(1)
                                     : std::string_view(base))) {
    return Match::kCannotTell;
  }
  if (name.substr(0, 2) != "*.") {
    return IsBelow(name, base) ? Match::kYes : Match::kNo;
  }
  // A wildcard is permitted if all that it may stand for is, and excluded if
  // any of it is.
  const std::string_view rest = std::string_view(name).substr(2);
  if (IsBelow(rest, base)) return Match::kYes;
  if (!base.empty() && base.front() == '.' &&
      rest == std::string_view(base).substr(1)) {
    return Match::kYes;
  }
  if (!excluded) return Match::kNo;
  const size_t dot = base.find('.', base.front() == '.' ? 1 : 0);
  const bool one_below = dot != std::string::npos &&
                         std::string_view(base).substr(dot + 1) == rest;
  return one_below ? Match::kYes : Match::kNo;
}

// A mailbox as local part and host; nullopt if it is none.
std::optional<std::pair<std::string, std::string>> SplitMailbox(
    std::string_view text) {
  const size_t at = text.rfind('@');
  if (at == std::string_view::npos || at == 0 || at + 1 == text.size() ||
      text.substr(0, at).find('@') != std::string_view::npos) {
    return std::nullopt;
  }
  return std::make_pair(std::string(text.substr(0, at)),
                        Lower(text.substr(at + 1)));
}

// The host part of a constraint: itself, or with a leading dot all below it.
bool HostMatches(std::string_view host, std::string_view base) {
  if (!base.empty() && base.front() == '.') {
    return EndsWith(host, base) && host.size() > base.size();
  }
  return host == base;
}

Match MatchEmail(std::string_view name, std::string_view base) {
  const auto mailbox = SplitMailbox(name);
  if (!mailbox.has_value()) return Match::kCannotTell;
  if (base.find('@') != std::string_view::npos) {
    const auto wanted = SplitMailbox(base);
    if (!wanted.has_value()) return Match::kCannotTell;
    return *mailbox == *wanted ? Match::kYes : Match::kNo;
  }
  return HostMatches(mailbox->second, Lower(base)) ? Match::kYes : Match::kNo;
}

// The host of a URI with an authority, and of sip: and sips:, which have none
// by the letter of RFC 3986 but a host all the same.
std::optional<std::string> UriHost(std::string_view uri) {
  const size_t colon = uri.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string scheme = Lower(uri.substr(0, colon));
  std::string_view rest = uri.substr(colon + 1);
  if (rest.substr(0, 2) == "//") {
    rest.remove_prefix(2);
    rest = rest.substr(0, rest.find_first_of("/?#"));
  } else if (scheme == "sip" || scheme == "sips") {
    rest = rest.substr(0, rest.find_first_of(";?"));
  } else {
    return std::nullopt;
  }
  const size_t at = rest.rfind('@');
  if (at != std::string_view::npos) rest.remove_prefix(at + 1);
  rest = rest.substr(0, rest.find(':'));
  // An address, or nothing: no host name to compare.
  if (rest.empty() || rest.front() == '[' ||
      rest.find_first_not_of("0123456789.") == std::string_view::npos ||
      !IsDnsName(rest)) {
    return std::nullopt;
  }
  return Lower(rest);
}

Match MatchUri(std::string_view name, std::string_view base) {
  const std::optional<std::string> host = UriHost(name);
  if (!host.has_value()) return Match::kCannotTell;
  return HostMatches(*host, Lower(base)) ? Match::kYes : Match::kNo;
}

Match MatchIp(std::string_view address, std::string_view base) {
  const size_t size = base.size() / 2;
  const std::string_view mask = base.substr(size);
  bool ended = false;
  for (const char c : mask) {
    for (int bit = 7; bit >= 0; --bit) {
      const bool set = (static_cast<uint8_t>(c) >> bit & 1) != 0;
      if (set && ended) return Match::kCannotTell;  // RFC 4632: contiguous
      ended = ended || !set;
    }
  }
  if (address.size() != size) return Match::kNo;
  for (size_t i = 0; i < size; ++i) {
    if ((address[i] & mask[i]) != (base[i] & mask[i])) return Match::kNo;
  }
  return Match::kYes;
}

Match MatchOne(const GeneralName& name, const GeneralName& base,
               bool excluded) {
  switch (name.type) {
    case Type::kDns:
      return MatchDns(name.value, base.value, excluded);
    case Type::kEmail:
      return MatchEmail(name.value, base.value);
    case Type::kUri:
      return MatchUri(name.value, base.value);
    case Type::kIp:
      return MatchIp(name.value, base.value);
    case Type::kDirectory:
      return name.directory.IsWithin(base.directory) ? Match::kYes : Match::kNo;
    default:
      return Match::kCannotTell;
  }
}

absl::Status Violated(std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument,
                   "NAME_CONSTRAINT_VIOLATED", message);
}

}  // namespace

bool IsDnsName(std::string_view name) {
  if (name.substr(0, 2) == "*.") name.remove_prefix(2);
  if (name.empty() || name.size() > 253) return false;
  if (name.back() == '.') return false;
  size_t label = 0;
  for (const char c : name) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
      continue;
    }
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-' &&
        c != '_') {
      return false;
    }
    if (++label > 63) return false;
  }
  return true;
}

void NameConstraints::Add(const ParsedCertificate& authority) {
  if (authority.name_constraints.has_value()) {
    sets_.push_back(&*authority.name_constraints);
  }
}

absl::Status NameConstraints::CheckName(const GeneralName& name) {
  for (const NameConstraintSet* set : sets_) {
    comparisons_ += set->permitted.size() + set->excluded.size();
    if (comparisons_ > kMaxComparisons) {
      return Violated("there are too many names and constraints to compare");
    }
    for (const GeneralName& base : set->excluded) {
      if (base.type != name.type) continue;
      switch (MatchOne(name, base, true)) {
        case Match::kNo:
          break;
        case Match::kYes:
          return Violated("a name is in a tree that an authority excludes");
        case Match::kCannotTell:
          return Violated("a constrained name cannot be compared");
      }
    }
    bool constrained = false;
    bool permitted = false;
    for (const GeneralName& base : set->permitted) {
      if (base.type != name.type) continue;
      constrained = true;
      const Match match = MatchOne(name, base, false);
      if (match == Match::kCannotTell) {
        return Violated("a constrained name cannot be compared");
      }
      permitted = permitted || match == Match::kYes;
    }
    if (constrained && !permitted) {
      return Violated("a name is in no tree that an authority permits");
    }
  }
  return absl::OkStatus();
}

absl::Status NameConstraints::Check(const ParsedCertificate& certificate) {
  if (sets_.empty()) return absl::OkStatus();
  if (!certificate.subject.empty()) {
    GeneralName subject;
    subject.type = Type::kDirectory;
    subject.directory = certificate.subject;
    absl::Status status = CheckName(subject);
    if (!status.ok()) return status;
    for (std::string& address :
         EmailAttributes(AsBytes(certificate.subject_der))) {
      GeneralName email;
      email.type = Type::kEmail;
      email.value = std::move(address);
      status = CheckName(email);
      if (!status.ok()) return status;
    }
  }
  if (!certificate.alt_names.has_value()) return absl::OkStatus();
  for (const GeneralName& name : *certificate.alt_names) {
    const absl::Status status = CheckName(name);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace sallyport
