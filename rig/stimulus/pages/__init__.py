"""Pages: what a participant reads and answers, laid out, drawn and understood without a window.

    page = Page(step, size, look)                       form = Form(step, began_host_ns, page.boxes)
    page.draw(form.state) -> the whole picture          form.key / typed / mouse -> answers, as they are given
    page.changed(before, form.state) -> regions         form.is_complete: the step is over
    page.draw(form.state, region) -> that part anew

No PsychoPy and no clock: `page.Page` draws by Pillow, `form.Form` is told what was done and when.
"""
