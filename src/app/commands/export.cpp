// export.cpp: reads a network, and writes the page in which a digit is drawn.
#include "app/commands/export.h"

#include "app/report/digit_page.h"
#include "app/report/notes.h"
#include "app/run/load.h"
#include "app/run/output_file.h"
#include "base/text.h"

int export_model(const Comm& comm, const ExportOptions& options) {
    comm.together([&] {
        if (!comm.is_root()) return;
        Model model = parse_model(read_model_bytes(options.load), options.load, options.said);
        guess_shape(model);
        check_takes_pictures(model, options.load);
        const DigitPage page = digit_page(model, options.load);
        write_file("--html", options.html, page.html);
        for (const std::string& note : model.notes) print_note(note);
        if (page.is_half) print_note(note_half);
        print(formatted("# network    %s: %s\n", one_line(options.load).c_str(),
                        sizes_text(model.parameters.layout).c_str()) +
              formatted("# written    %s: %s; open it in a browser\n",
                        one_line(options.html).c_str(),
                        bytes_text(static_cast<double>(page.html.size())).c_str()));
    });
    return exit_ok;
}
