// Any octets as a manifest: what is taken is printed and read again the same.

#include "tools/cli/manifest.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "google/protobuf/message.h"
#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"
#include "tools/cli/render.h"
#include "tools/cli/resource_kinds.h"

namespace {

// What `get -o yaml` leaves out, so that it applies back.
void ClearUnwritten(google::protobuf::Message* message) {
  const auto& type = *message->GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const std::string& name = type.field(i)->name();
    if (name == "etag" || sallyport::cli::IsOutputOnly(name)) {
      message->GetReflection()->ClearField(message, type.field(i));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace cli = sallyport::cli;
  const std::string text(reinterpret_cast<const char*>(data), size);
  // Values may name files; here there are none to read.
  if (text.find("_file") != std::string::npos) return 0;
  const auto entries = cli::ParseManifest(text, "t", "/nowhere/a.yaml");
  if (!entries.ok()) {
    SP_CHECK(!sallyport::FieldViolationsOf(entries.status()).empty());
    return 0;
  }
  for (const cli::ManifestEntry& entry : *entries) {
    SP_CHECK(entry.message != nullptr && entry.line > 0);
    const auto again = cli::ParseManifest(
        cli::ToYaml(*entry.message, entry.kind->name), "t", "/nowhere/a.yaml");
    SP_CHECK(again.ok() && again->size() == 1);
    SP_CHECK((*again)[0].name == entry.name);
    ClearUnwritten(entry.message.get());
    SP_CHECK((*again)[0].message->SerializeAsString() ==
             entry.message->SerializeAsString());
  }
  return 0;
}
