#include "services/common/pki/known_peers.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "services/common/bytes/string_view.h"

namespace sallyport {
namespace {

// The series that a model is of: '2' of "DMG2000" and of "2060DTI"; 0 if it
// holds no number of four digits.
char SeriesOf(std::string_view model) {
  size_t digits = 0;
  for (size_t i = 0; i < model.size(); ++i) {
    const bool digit =
        absl::ascii_isdigit(static_cast<unsigned char>(model[i]));
    digits = digit ? digits + 1 : 0;
    if (digits == 4) return model[i - 3];
  }
  return 0;
}

}  // namespace

KnownPeer FindKnownPeer(std::string_view vendor, std::string_view model) {
  const std::string by = absl::AsciiStrToLower(AbslView(vendor));
  const std::string what = absl::AsciiStrToLower(AbslView(model));
  const auto is = [](const std::string& text, const char* part) {
    return absl::StrContains(text, part);
  };
  if (is(by, "dialogic")) {
    switch (SeriesOf(model)) {
      case '1':
        return {"Dialogic 1000", false};
      case '2':
        return {"Dialogic 2000", true};
      case '3':
        return {"Dialogic 3000", false};
      case '4':
        return {"Dialogic 4000", true};
      default:
        return {"a Dialogic gateway of unknown model", true};
    }
  }
  if (is(by, "audiocodes")) return {"an AudioCodes gateway", false};
  if (is(by, "microsoft") &&
      (is(what, "office communications server 2007") || is(what, "ocs 2007"))) {
    return {"Office Communications Server 2007", false};
  }
  return {"a peer of unknown vendor", true};
}

}  // namespace sallyport
