"""Every fault that the bridge promises to live through, done to real processes and measured.

In reading order:

    finding   what a scenario found: figures, and what did not hold
    scenario  a fault, what must hold, and the function that plays it
    words     what is said in them
    stage     a stack of real processes with an agent of its own, and calls on it
    sound     figures out of the carrier's ground truth
    checks    what must hold in most of them
    rows      the scenarios themselves, a module for each kind of fault
    run       many scenarios, side by side where that spoils no figure
    report    the table
    main      `python -m sim faults`
"""
