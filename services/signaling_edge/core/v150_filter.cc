#include "services/signaling_edge/core/v150_filter.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr std::string_view kTransport = "udpsprt";
constexpr std::array<std::string_view, 2> kEncodings = {"v150fw", "v150mr"};
// Attributes of single formats.
constexpr std::array<std::string_view, 3> kOfFormats = {"rtpmap", "fmtp",
                                                        "gpmd"};
constexpr std::array<std::string_view, 3> kAttributes = {"sprtmap", "sprtparm",
                                                         "vndpar"};
constexpr std::array<std::string_view, 5> kSet = {"sqn", "cdsc", "cpar",
                                                  "cparmin", "cparmax"};
constexpr std::array<std::string_view, 5> kEarlySet = {
    "X-sqn", "X-cap", "X-cpar", "X-cparmin", "X-cparmax"};
constexpr std::string_view kEarlyEncoding = "X-NSE";

bool IsOneOf(std::string_view text, std::span<const std::string_view> names) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
    return EqualsIgnoreCase(text, name);
  });
}

// "118 v150fw/8000": the format and the name of its encoding.
std::pair<std::string_view, std::string_view> Mapped(std::string_view value) {
  const std::vector<std::string_view> words = Words(value);
  if (words.size() < 2) return {};
  return {words[0], words[1].substr(0, words[1].find('/'))};
}

std::string_view ValueOf(const SdpAttribute& attribute) {
  return attribute.value.has_value() ? std::string_view(*attribute.value)
                                     : std::string_view();
}

// The words of "1 audio udpsprt 120" or " 1 audio RTP/AVP 100" behind the
// number and the media type: transport, then formats.
std::span<const std::string_view> Capability(
    const std::vector<std::string_view>& words) {
  return words.size() < 3 ? std::span<const std::string_view>()
                          : std::span(words).subspan(2);
}

// "a=sprtmap: 120 v150mr/8000", what a cpar holds.
bool DeclaresEncoding(std::string_view embedded) {
  const size_t colon = embedded.find(':');
  return colon != std::string_view::npos &&
         IsOneOf(Mapped(embedded.substr(colon + 1)).second, kEncodings);
}

// What goes from one section: of a session, or an m= line.
struct Cut {
  bool line = false;  // the whole m= line
  bool set = false;   // its capability set of RFC 3407
  std::vector<std::string> formats;

  bool Has(std::string_view format) const {
    return std::find(formats.begin(), formats.end(), format) != formats.end();
  }
};

// What the set declares of V.150.1, by itself or by a format of the section.
bool IsOfV150(const SdpAttribute& attribute, const Cut& cut) {
  if (EqualsIgnoreCase(attribute.name, "cdsc")) {
    const std::vector<std::string_view> words = Words(ValueOf(attribute));
    const auto capability = Capability(words);
    if (capability.empty()) return false;
    return EqualsIgnoreCase(capability[0], kTransport) ||
           std::any_of(
               capability.begin() + 1, capability.end(),
               [&](std::string_view format) { return cut.Has(format); });
  }
  return IsOneOf(attribute.name, kSet) && DeclaresEncoding(ValueOf(attribute));
}

Cut CutOfMer(const std::vector<SdpAttribute>& attributes,
             const SdpMedia* media) {
  Cut cut;
  cut.line = media != nullptr && EqualsIgnoreCase(media->protocol, kTransport);
  for (const SdpAttribute& attribute : attributes) {
    if (!EqualsIgnoreCase(attribute.name, "rtpmap")) continue;
    const auto [format, encoding] = Mapped(ValueOf(attribute));
    if (IsOneOf(encoding, kEncodings)) cut.formats.emplace_back(format);
  }
  cut.set = std::any_of(
      attributes.begin(), attributes.end(),
      [&](const SdpAttribute& each) { return IsOfV150(each, cut); });
  return cut;
}

// The formats that X-cap lines declare.
void AddDeclared(const std::vector<SdpAttribute>& attributes,
                 std::vector<std::string>& out) {
  for (const SdpAttribute& attribute : attributes) {
    if (!EqualsIgnoreCase(attribute.name, "X-cap")) continue;
    const std::vector<std::string_view> words = Words(ValueOf(attribute));
    const auto capability = Capability(words);
    for (size_t i = 1; i < capability.size(); ++i) {
      out.emplace_back(capability[i]);
    }
  }
}

Cut CutOfPreMer(const SdpSession& offer, const SdpMedia& media) {
  Cut cut;
  std::vector<std::string> declared;
  AddDeclared(offer.attributes, declared);
  AddDeclared(media.attributes, declared);
  for (const SdpAttribute& attribute : media.attributes) {
    if (!EqualsIgnoreCase(attribute.name, "rtpmap")) continue;
    const auto [format, encoding] = Mapped(ValueOf(attribute));
    if (EqualsIgnoreCase(encoding, kEarlyEncoding) &&
        std::find(declared.begin(), declared.end(), format) != declared.end()) {
      cut.formats.emplace_back(format);
    }
  }
  return cut;
}

// What goes of the session, then of each m= line.
std::vector<Cut> CutsOf(const SdpSession& offer, V150Filtering filter) {
  const bool mer = filter == V150Filtering::kRemoveMer;
  std::vector<Cut> cuts;
  cuts.push_back(mer ? CutOfMer(offer.attributes, nullptr) : Cut());
  for (const SdpMedia& media : offer.media) {
    Cut cut =
        mer ? CutOfMer(media.attributes, &media) : CutOfPreMer(offer, media);
    cut.line |=
        std::all_of(media.formats.begin(), media.formats.end(),
                    [&](const std::string& format) { return cut.Has(format); });
    cuts.push_back(std::move(cut));
  }
  return cuts;
}

bool IsCut(std::string_view name, std::string_view value, const Cut& cut,
           V150Filtering filter) {
  if (cut.line) return true;
  if (IsOneOf(name, kOfFormats)) {
    const std::vector<std::string_view> words = Words(value);
    return !words.empty() && cut.Has(words[0]);
  }
  if (filter == V150Filtering::kRemovePreMer) return IsOneOf(name, kEarlySet);
  return IsOneOf(name, kAttributes) || (cut.set && IsOneOf(name, kSet));
}

// "m=audio 4000 RTP/AVP 0 118" as it is told; `end` is its line ending.
std::string MediaLine(const SdpMedia& media, const Cut& cut,
                      std::string_view end) {
  std::string out = Cat("m=", media.type, " ", cut.line ? 0 : media.port);
  if (media.port_count != 1 && !cut.line) CatTo(out, "/", media.port_count);
  CatTo(out, " ", media.protocol);
  for (const std::string& format : media.formats) {
    if (cut.line || !cut.Has(format)) CatTo(out, " ", format);
  }
  return out.append(end);
}

}  // namespace

SdpSession WithoutV150(SdpSession offer, V150Filtering filter) {
  if (!RemovesV150(filter)) return offer;
  const std::vector<Cut> cuts = CutsOf(offer, filter);
  const auto apply = [&](std::vector<SdpAttribute>& attributes,
                         const Cut& cut) {
    std::erase_if(attributes, [&](const SdpAttribute& attribute) {
      return IsCut(attribute.name, ValueOf(attribute), cut, filter);
    });
  };
  apply(offer.attributes, cuts[0]);
  for (size_t i = 0; i < offer.media.size(); ++i) {
    SdpMedia& media = offer.media[i];
    const Cut& cut = cuts[i + 1];
    apply(media.attributes, cut);
    if (cut.line) {
      media.port = 0;
      media.port_count = 1;
    } else {
      std::erase_if(media.formats,
                    [&](const std::string& format) { return cut.Has(format); });
    }
  }
  return offer;
}

std::string WithoutV150(std::string_view text, const SdpSession& offer,
                        V150Filtering filter) {
  if (!RemovesV150(filter)) return std::string(text);
  const std::vector<Cut> cuts = CutsOf(offer, filter);
  std::string out;
  out.reserve(text.size());
  size_t section = 0;
  while (!text.empty()) {
    size_t end = text.find('\n');
    end = end == std::string_view::npos ? text.size() : end + 1;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    const std::string_view bare =
        line.substr(0, line.find_last_not_of("\r\n") + 1);
    if (bare.starts_with("m=")) {
      ++section;
      const Cut& cut = cuts[section];
      if (cut.line || !cut.formats.empty()) {
        out +=
            MediaLine(offer.media[section - 1], cut, line.substr(bare.size()));
        continue;
      }
    } else if (bare.starts_with("a=")) {
      const std::string_view attribute = bare.substr(2);
      const size_t colon = attribute.find(':');
      const std::string_view value = colon == std::string_view::npos
                                         ? std::string_view()
                                         : attribute.substr(colon + 1);
      if (IsCut(attribute.substr(0, colon), value, cuts[section], filter)) {
        continue;
      }
    }
    out.append(line);
  }
  return out;
}

}  // namespace sallyport::signaling_edge
