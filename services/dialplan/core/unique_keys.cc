#include "services/dialplan/core/unique_keys.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/dialplan/core/source_prefix.h"

namespace sallyport::dialplan {
namespace {

struct KeyKind {
  std::string_view prefix;
  std::string_view reason;
  std::string_view description;
};
constexpr KeyKind kKeyKinds[] = {
    {"subject/", "PEER_SUBJECT_NOT_UNIQUE",
     "the pair of subject name and incoming port is held"},
    {"source/", "PEER_ADDRESS_NOT_UNIQUE",
     "the pair of address and incoming port is held"},
    {"domain/", "DOMAIN_NOT_UNIQUE", "it is held"},
    {"device/", "DEVICE_NAME_NOT_UNIQUE", "it is held"},
    {"pattern/", "PATTERN_NOT_UNIQUE",
     "the same pattern in the same partition is held"},
    {"called/", "PATTERN_NOT_UNIQUE",
     "the same pattern in the same partition is held"},
    {"calling/", "PATTERN_NOT_UNIQUE",
     "the same pattern in the same partition is held"},
    {"number/", "NUMBER_NOT_UNIQUE", "it is held"},
    {"user/", "USERNAME_NOT_UNIQUE", "it is held"},
    {"default-pilot/", "DEFAULT_NOT_UNIQUE",
     "the tenant's default voicemail pilot is given"},
    {"default-profile/", "DEFAULT_NOT_UNIQUE",
     "the tenant's default voicemail profile is given"},
};

const KeyKind& KindOf(std::string_view key) {
  for (const KeyKind& kind : kKeyKinds) {
    if (key.substr(0, kind.prefix.size()) == kind.prefix) return kind;
  }
  return kKeyKinds[0];
}

// What keys of a table begin with.
absl::string_view WordOf(EntryPattern::Table table) {
  switch (table) {
    case EntryPattern::Table::kCalls:
      break;
    case EntryPattern::Table::kCalledChanges:
      return "called";
    case EntryPattern::Table::kCallingChanges:
      return "calling";
  }
  return "pattern";
}

// What a pattern matches, written one way; one that cannot be read, as it is.
std::string Canonical(const std::string& text) {
  const auto elements = DialPattern::ReadElements(text);
  if (!elements.ok()) return text;
  std::string out;
  for (const PatternElement& element : *elements) {
    absl::StrAppend(&out, absl::Hex(element.symbols),
                    element.repeat == PatternElement::Repeat::kOnce ? ","
                    : element.repeat == PatternElement::Repeat::kOneOrMore
                        ? "+"
                        : "?");
  }
  return out;
}

// A place in a partition; the null partition is the tenant's own.
std::string PlaceKey(const char* what, const std::string& name,
                     const std::string& partition, std::string_view place) {
  const std::string_view space =
      partition.empty() ? TenantOf(name) : std::string_view(partition);
  return absl::StrCat(what, "/", AbslView(space), "/", AbslView(place));
}

template <typename Entry>
UniqueKey PatternKey(const char* field, const char* what, const Entry& entry,
                     const std::string& pattern) {
  return {field,
          PlaceKey(what, entry.name, entry.partition, Canonical(pattern))};
}

struct KeyMaker {
  const PeerEntry* effective;
  std::vector<UniqueKey>& out;

  void operator()(const TenantEntry& tenant) const {
    for (size_t i = 0; i < tenant.domains.size(); ++i) {
      out.push_back({absl::StrCat("tenant.domains[", i, "]"),
                     "domain/" + tenant.domains[i]});
    }
  }

  void operator()(const UserEntry& user) const {
    const std::string_view tenant = TenantOf(user.name);
    out.push_back({"user.username",
                   absl::StrCat("user/", user.username, "@", user.domain)});
    for (size_t i = 0; i < user.phone_numbers.size(); ++i) {
      out.push_back({absl::StrCat("user.phone_numbers[", i, "]"),
                     NumberKey(tenant, user.phone_numbers[i])});
    }
    // A username that can be dialled is a number too (PatternsOfUser).
    const absl::StatusOr<Number> number = Number::Parse(user.username);
    if (number.ok() && number->text() == user.username &&
        std::find(user.phone_numbers.begin(), user.phone_numbers.end(),
                  user.username) == user.phone_numbers.end()) {
      out.push_back({"user.username", NumberKey(tenant, user.username)});
    }
  }

  void operator()(const PhoneEntry& phone) const {
    // A certificate holds the device name alone, so it must be the only one.
    out.push_back({"phone.device_name", "device/" + phone.device_name});
  }

  void operator()(const PeerEntry&) const {
    const PeerEntry& peer = *effective;
    const std::string port = absl::StrCat(":", peer.incoming_port);
    for (size_t i = 0; i < peer.x509_subjects.size(); ++i) {
      out.push_back({absl::StrCat("peer.x509_subject_names[", i, "]"),
                     absl::StrCat("subject/", peer.x509_subjects[i], port)});
    }
    if (peer.x509_subjects.empty() && !peer.fqdn.empty()) {
      out.push_back({"peer.fqdn", absl::StrCat("subject/", peer.fqdn, port)});
    }
    // In clear the source address is all there is to tell it by.
    if (peer.transport == SipTransport::kTls) return;
    const auto add = [&](std::string field, const std::string& source) {
      const auto prefix = SourcePrefix::Parse(source);
      if (!prefix.has_value()) return;
      out.push_back(
          {std::move(field),
           absl::StrCat("source/", peer.incoming_port, "/", prefix->Key())});
    };
    for (size_t i = 0; i < peer.source_addresses.size(); ++i) {
      add(absl::StrCat("peer.source_addresses[", i, "]"),
          peer.source_addresses[i]);
    }
    if (peer.source_addresses.empty()) add("peer.address", peer.address);
  }

  void operator()(const RoutePatternEntry& entry) const {
    if (!entry.sip_domain.empty()) {
      out.push_back({"route_pattern.sip_domain",
                     PlaceKey("pattern", entry.name, entry.partition,
                              "@" + entry.sip_domain)});
      return;
    }
    out.push_back(
        PatternKey("route_pattern.pattern", "pattern", entry, entry.pattern));
  }
  void operator()(const TranslationPatternEntry& entry) const {
    out.push_back(PatternKey("translation_pattern.pattern", "pattern", entry,
                             entry.pattern));
  }
  void operator()(const HuntPilotEntry& entry) const {
    out.push_back(
        PatternKey("hunt_pilot.pattern", "pattern", entry, entry.pattern));
  }
  void operator()(const CalledPartyTransformationEntry& entry) const {
    out.push_back(PatternKey("called_party_transformation.pattern", "called",
                             entry, entry.pattern));
  }
  void operator()(const CallingPartyTransformationEntry& entry) const {
    out.push_back(PatternKey("calling_party_transformation.pattern", "calling",
                             entry, entry.pattern));
  }
  void operator()(const LineEntry& line) const {
    out.push_back(PatternKey("line.directory_number", "pattern", line,
                             line.directory_number));
    if (!line.partition.empty()) return;
    out.push_back({"line.directory_number",
                   NumberKey(TenantOf(line.name),
                             NumberOfDirectory(line.directory_number))});
  }
  void operator()(const MessageWaitingNumberEntry& entry) const {
    const bool global = entry.number.substr(0, 1) == "+";
    out.push_back(PatternKey("message_waiting_number.number", "pattern", entry,
                             (global ? "\\" : "") + entry.number));
  }
  void operator()(const VoicemailPilotEntry& pilot) const {
    if (!pilot.is_default) return;
    out.push_back(
        {"voicemail_pilot.is_default",
         absl::StrCat("default-pilot/", AbslView(TenantOf(pilot.name)))});
  }
  void operator()(const VoicemailProfileEntry& profile) const {
    if (!profile.is_default) return;
    out.push_back(
        {"voicemail_profile.is_default",
         absl::StrCat("default-profile/", AbslView(TenantOf(profile.name)))});
  }
  void operator()(const VoicemailPortGroupEntry& group) const {
    for (size_t i = 0; i < group.ports.size(); ++i) {
      if (group.ports[i].device_name.empty()) continue;
      out.push_back(
          {absl::StrCat("voicemail_port_group.ports[", i, "].device_name"),
           "device/" + group.ports[i].device_name});
    }
  }
  // Kinds that hold none.
  template <typename Entry>
  void operator()(const Entry&) const {}
};

}  // namespace

std::vector<UniqueKey> UniqueKeysOf(const PlanEntry& entry,
                                    const PeerEntry* peer) {
  std::vector<UniqueKey> out;
  std::visit(KeyMaker{peer, out}, entry);
  return out;
}

std::string ExactPatternKey(std::string_view space, std::string_view number) {
  return ExactPatternKey(EntryPattern::Table::kCalls, space, number);
}

std::string ExactPatternKey(EntryPattern::Table table, std::string_view space,
                            std::string_view number) {
  return PatternKeyPrefix(table, space, number);
}

std::string PatternKeyPrefix(EntryPattern::Table table, std::string_view space,
                             std::string_view digits) {
  std::string out = absl::StrCat(WordOf(table), "/", AbslView(space), "/");
  for (const char c : digits) {
    absl::StrAppend(&out, absl::Hex(SymbolSet{1} << DialSymbolOf(c)), ",");
  }
  return out;
}

std::optional<std::string> WildcardPlace(const PlanEntry& entry) {
  const std::optional<EntryPattern> written = PatternOf(entry);
  if (!written.has_value() || written->is_number) return std::nullopt;
  const std::string& text = written->text;
  std::string digits;
  // What '@' stands for begins with other digits in each form.
  const size_t at = text.find('@');
  const auto elements = DialPattern::ReadElements(
      at == std::string::npos ? text : text.substr(0, at));
  bool exact = at == std::string::npos;
  if (elements.ok()) {
    for (const PatternElement& element : *elements) {
      // One symbol, once.
      if (element.repeat != PatternElement::Repeat::kOnce ||
          (element.symbols & (element.symbols - 1)) != 0) {
        exact = false;
        break;
      }
      int symbol = 0;
      while ((element.symbols >> symbol & 1) == 0) ++symbol;
      digits.push_back(DialCharOf(symbol));
    }
  } else if (at == std::string::npos) {
    return std::nullopt;
  }
  if (exact) return std::nullopt;
  return WildcardPlace(written->table, SpaceOf(*written, NameOf(entry)),
                       digits);
}

std::optional<std::string> ExactPlace(const PlanEntry& entry) {
  const std::optional<EntryPattern> written = PatternOf(entry);
  if (!written.has_value() || written->table != EntryPattern::Table::kCalls) {
    return std::nullopt;
  }
  const LineEntry* line = std::get_if<LineEntry>(&entry);
  if (written->is_number && (line == nullptr || !line->forward_all.IsSet())) {
    return std::nullopt;
  }
  const std::string number = NumberOfDirectory(written->text);
  if (number.empty()) return std::nullopt;
  return WildcardPlace(written->table, SpaceOf(*written, NameOf(entry)),
                       number);
}

std::string WildcardPlace(EntryPattern::Table table, std::string_view space,
                          std::string_view digits) {
  return absl::StrCat(WordOf(table), "/", AbslView(space), "\n",
                      AbslView(digits));
}

std::string NumberKey(std::string_view tenant, std::string_view number) {
  return absl::StrCat("number/", AbslView(tenant), "/", AbslView(number));
}

std::string NumberOfDirectory(std::string_view directory_number) {
  if (directory_number.substr(0, 2) == "\\+") {
    directory_number.remove_prefix(1);
  } else if (directory_number.substr(0, 1) == "+") {
    return "";  // it would repeat what is before it
  }
  const absl::StatusOr<Number> number = Number::Parse(directory_number);
  if (!number.ok() || number->text() != directory_number) return "";
  return number->text();
}

std::string_view ReasonOfKey(std::string_view key) {
  return KindOf(key).reason;
}

std::string_view DescriptionOfKey(std::string_view key) {
  return KindOf(key).description;
}

}  // namespace sallyport::dialplan
