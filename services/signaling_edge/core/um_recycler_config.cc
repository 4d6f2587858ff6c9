#include "services/signaling_edge/core/um_recycler_config.h"

#include <expat.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr std::string_view kSetting = "StartSecured";
constexpr size_t kMaxDepth = 32;
constexpr size_t kMaxValue = 64;

absl::Status Invalid(std::string_view reason, std::string_view why) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, why);
}

// Without spaces and line ends at both ends.
std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// Everything that expat calls back is here. Thread-compatible.
class Reader {
 public:
  Reader() : parser_(XML_ParserCreate(nullptr), &XML_ParserFree) {
    XML_SetUserData(parser_.get(), this);
    XML_SetElementHandler(
        parser_.get(),
        [](void* self, const char* name, const char** attributes) {
          static_cast<Reader*>(self)->OnStart(name, attributes);
        },
        [](void* self, const char* name) {
          static_cast<Reader*>(self)->OnEnd(name);
        });
    XML_SetCharacterDataHandler(
        parser_.get(), [](void* self, const char* text, int size) {
          static_cast<Reader*>(self)->OnText(
              std::string_view(text, static_cast<size_t>(size)));
        });
    XML_SetStartDoctypeDeclHandler(
        parser_.get(),
        [](void* self, const char*, const char*, const char*, int) {
          static_cast<Reader*>(self)->Stop(Invalid(
              "UM_RECYCLER_CONFIG_INVALID", "a document type is not accepted"));
        });
  }

  absl::StatusOr<std::optional<bool>> Read(std::string_view file) {
    const XML_Status status =
        XML_Parse(parser_.get(), file.data(), static_cast<int>(file.size()),
                  /*isFinal=*/1);
    if (!fault_.ok()) return fault_;
    if (status != XML_STATUS_OK) {
      return Invalid(
          "UM_RECYCLER_CONFIG_INVALID",
          Cat("line ", uint64_t{XML_GetCurrentLineNumber(parser_.get())},
              ": no XML"));
    }
    return found_;
  }

 private:
  void Stop(absl::Status why) {
    if (fault_.ok()) fault_ = std::move(why);
    XML_StopParser(parser_.get(), XML_FALSE);
  }

  void OnStart(std::string_view name, const char** attributes) {
    if (!fault_.ok()) return;
    if (++depth_ > kMaxDepth) {
      return Stop(
          Invalid("UM_RECYCLER_CONFIG_INVALID", "it is nested too deep"));
    }
    bool keyed = false;
    std::optional<std::string_view> value;
    for (; *attributes != nullptr; attributes += 2) {
      const std::string_view attribute = attributes[0];
      const std::string_view text = attributes[1];
      if (attribute == kSetting) Take(text);
      if (attribute == "key" && text == kSetting) keyed = true;
      if (attribute == "value") value = text;
    }
    if (keyed) Take(value.value_or(std::string_view()));
    if (name == kSetting) {
      inside_ = depth_;
      text_.clear();
    }
  }

  void OnEnd(std::string_view name) {
    if (!fault_.ok()) return;
    if (inside_ == depth_ && name == kSetting) {
      inside_ = 0;
      Take(text_);
    }
    --depth_;
  }

  void OnText(std::string_view text) {
    if (inside_ != 0 && text_.size() <= kMaxValue) text_ += text;
  }

  void Take(std::string_view text) {
    const std::string_view value = Trimmed(text);
    if (value != "0" && value != "1") {
      return Stop(
          Invalid("START_SECURED_INVALID", "StartSecured must be 0 or 1"));
    }
    if (found_.has_value()) {
      return Stop(
          Invalid("START_SECURED_INVALID", "StartSecured is there twice"));
    }
    found_ = value == "1";
  }

  const std::unique_ptr<XML_ParserStruct, decltype(&XML_ParserFree)> parser_;
  absl::Status fault_;
  std::optional<bool> found_;
  size_t depth_ = 0;
  size_t inside_ = 0;  // depth of the element StartSecured; 0: none
  std::string text_;
};

}  // namespace

absl::StatusOr<std::optional<bool>> ParseStartSecured(std::string_view file) {
  if (file.size() > kMaxUmRecyclerConfig) {
    return Invalid("UM_RECYCLER_CONFIG_INVALID", "it is longer than 64 KiB");
  }
  return Reader().Read(file);
}

}  // namespace sallyport::signaling_edge
