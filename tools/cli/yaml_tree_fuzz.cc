// Any octets as YAML.

#include "tools/cli/yaml_tree.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "services/common/status/check.h"

namespace {

size_t Count(const sallyport::cli::YamlNode& node, size_t depth) {
  SP_CHECK(depth <= 64);
  size_t values = 1;
  for (const auto& item : node.items) values += Count(*item, depth + 1);
  for (const auto& [key, value] : node.members) {
    values += Count(*key, depth + 1) + Count(*value, depth + 1);
  }
  return values;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sallyport::cli::YamlLimits limits;
  limits.values = 1000;
  const auto text = sallyport::cli::ReadYaml(
      std::string(reinterpret_cast<const char*>(data), size), limits);
  size_t values = 0;
  for (const auto& document : text.documents) {
    const size_t counted = Count(*document, 0);
    SP_CHECK(counted == document->size);
    values += counted;
  }
  SP_CHECK(values <= limits.values);
  for (const auto& fault : text.faults) SP_CHECK(!fault.what.empty());
  return 0;
}
